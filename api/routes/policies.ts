import { z } from 'zod';
import { POLICY_NAMES } from '../../domain/placement/model';
import type { ApiDeps } from '../deps';
import { type Answer, json, type Route, route } from '../route';

const policySchema = z.strictObject({
  name: z.enum(POLICY_NAMES).describe('packing: the tightest host that fits; striping: the emptiest'),
});

const policiesSchema = z
  .object({
    placement: policySchema.extend({
      since: z.int().optional().describe('When it was set; absent for the one that the site began with'),
      setBy: z.string().optional(),
    }),
    initial: policySchema.describe('In force until another is set'),
  })
  .meta({ id: 'Policies' });

/** By what the site decides. What is set counts from the next decision on, in every process. */
export function policyRoutes({ store, siteId, initialPolicy }: ApiDeps): Route[] {
  async function inForce(): Promise<Answer> {
    const setting = await store.site.placement(siteId);
    const { policy = initialPolicy, ...rest } = setting ?? {};
    return { status: 200, body: { placement: { ...policy, ...rest }, initial: initialPolicy } };
  }

  return [
    route({
      method: 'get',
      path: '/v1/policies',
      tag: 'policies',
      summary: 'The policies in force',
      roles: ['operator'],
      responses: { 200: { description: 'Policies', schema: policiesSchema } },
      handler: inForce,
    }),
    route({
      method: 'put',
      path: '/v1/policies/placement',
      tag: 'policies',
      summary: 'Set the placement policy, from the next decision on',
      roles: ['operator'],
      body: json(policySchema),
      responses: { 200: { description: 'Policies', schema: policiesSchema } },
      handler: async ({ identity, body: policy, requestId }) => {
        const since = Date.now();
        const changed = await store.site.setPlacement(siteId, { policy, since, setBy: identity.name });
        if (changed)
          await store.events.append({
            id: `${siteId}/policy/${requestId}`,
            at: since,
            kind: 'policy.placement',
            message: `${identity.name} has set the placement policy to ${policy.name}`,
            subject: siteId,
          });
        return inForce();
      },
    }),
  ];
}
