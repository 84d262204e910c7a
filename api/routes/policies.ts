import { z } from 'zod';
import { POLICY_NAMES, type Policy, type PolicySetting } from '../../domain/placement/model';
import type { ApiDeps } from '../deps';
import { type Answer, type Context, json, type Route, route } from '../route';

const policySchema = z.strictObject({
  name: z.enum(POLICY_NAMES).describe('packing: the tightest host that fits; striping: the emptiest'),
});

const policiesSchema = z
  .object({
    placement: policySchema.extend({
      since: z.int().optional().describe('When it was set; absent for the one in the settings'),
      setBy: z.string().optional(),
    }),
    initial: policySchema.describe('The one in the settings: in force where none is set'),
  })
  .meta({ id: 'Policies' });

const answers = { 200: { description: 'Policies', schema: policiesSchema } };

/** By what the site decides. What is set counts from the next decision on, in every process. */
export function policyRoutes({ store, siteId, initialPolicy }: ApiDeps): Route[] {
  function told(setting: PolicySetting | undefined): Answer {
    // Once it was given back to the settings it is as if nobody had ever set it.
    const placement = setting?.policy
      ? { ...setting.policy, since: setting.since, setBy: setting.setBy }
      : initialPolicy;
    return { status: 200, body: { placement, initial: initialPolicy } };
  }

  async function set({ identity, operationId }: Pick<Context, 'identity' | 'operationId'>, policy?: Policy) {
    const setBy = identity.name;
    const setting = await store.site.setPlacement(siteId, {
      ...(policy ? { policy } : {}),
      ...{ requestedAs: operationId, since: Date.now(), setBy },
    });
    // Also for a repeat of the request that set it: that may have died before it had told.
    if (setting.requestedAs === operationId)
      await store.events.append({
        id: `${operationId}/policy`,
        at: setting.since,
        kind: 'policy.placement',
        message: policy
          ? `${setBy} has set the placement policy to ${policy.name}`
          : `${setBy} has given the placement policy back to the settings: ${initialPolicy.name}`,
        subject: siteId,
      });
    return told(setting);
  }

  return [
    route({
      method: 'get',
      path: '/v1/policies',
      tag: 'policies',
      summary: 'The policies in force',
      roles: ['operator'],
      responses: answers,
      handler: async () => told(await store.site.placement(siteId)),
    }),
    route({
      method: 'put',
      path: '/v1/policies/placement',
      tag: 'policies',
      summary: 'Set the placement policy, from the next decision on',
      roles: ['operator'],
      body: json(policySchema),
      responses: answers,
      write: true,
      handler: (context) => set(context, context.body),
    }),
    route({
      method: 'delete',
      path: '/v1/policies/placement',
      tag: 'policies',
      summary: 'Place by the policy in the settings again',
      roles: ['operator'],
      responses: answers,
      write: true,
      handler: (context) => set(context),
    }),
  ];
}
