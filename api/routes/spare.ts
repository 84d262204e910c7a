import { z } from 'zod';
import { DEFAULT_SLA_CLASS, SLA_CLASSES } from '../../domain/manifest/sla-class';
import type { SpareRule } from '../../domain/placement/model';
import type { SpareSetting } from '../../store/site';
import type { ApiDeps } from '../deps';
import { invalid } from '../invalid';
import { type Answer, type Context, json, type Route, route } from '../route';

const ruleSchema = z.strictObject({
  lose: z.enum(['host', 'zone']).describe('Any one of them may be lost at any moment'),
  least: z
    .enum(SLA_CLASSES)
    .default(DEFAULT_SLA_CLASS)
    .describe('What has a lower class need not find a place then'),
});

const spareSchema = z
  .object({
    kept: z.boolean().describe('Is any room kept?'),
    lose: z.enum(['host', 'zone']).optional(),
    least: z.enum(SLA_CLASSES).optional(),
    since: z.int().optional(),
    setBy: z.string().optional(),
  })
  .meta({ id: 'Spare' });

const answers = { 200: { description: 'The room that is kept for losses', schema: spareSchema } };

/** Whether what is new must leave room for the loss of any host, or any zone. It counts from the next decision on. */
export function spareRoutes({ store, siteId }: ApiDeps): Route[] {
  const told = (setting: SpareSetting | undefined): Answer => {
    if (!setting) return { status: 200, body: { kept: false } };
    const { lose, least, since, setBy } = setting;
    return { status: 200, body: { kept: true, lose, least, since, setBy } };
  };

  /** With one alone nothing new could be placed at all. */
  async function requireTwo(lose: SpareRule['lose']): Promise<void> {
    const up = (await store.hosts.offers()).filter((h) => h.liveness === 'up');
    const places = new Set(up.map((h) => (lose === 'host' ? h.id : h.zone)));
    if (places.size < 2)
      throw invalid(
        '/lose',
        `${places.size === 0 ? 'no' : 'only one'} ${lose} is up`,
        `There is nowhere to go when it is lost: nothing new would be placed. Keep room once there are two.`,
      );
  }

  async function set({ identity, operationId }: Pick<Context, 'identity' | 'operationId'>, rule?: SpareRule) {
    const setBy = identity.name;
    const since = Date.now();
    if (rule) await requireTwo(rule.lose);
    const before = await store.site.spare(siteId);
    const setting = await store.site.setSpare(
      siteId,
      rule && { ...rule, since, setBy, requestedAs: operationId },
    );
    // What was so already is no news.
    if (rule ? setting?.requestedAs === operationId : before)
      await store.events.append({
        id: `${operationId}/spare`,
        at: since,
        kind: 'policy.spare',
        message: rule
          ? `${setBy} keeps room for the loss of any ${rule.lose}, for what is at least ${rule.least}`
          : `${setBy} keeps no room for losses any more`,
        subject: siteId,
      });
    return told(setting);
  }

  return [
    route({
      method: 'get',
      path: '/v1/policies/spare',
      tag: 'policies',
      summary: 'The room that is kept for losses',
      roles: ['operator'],
      responses: answers,
      handler: async () => told(await store.site.spare(siteId)),
    }),
    route({
      method: 'put',
      path: '/v1/policies/spare',
      tag: 'policies',
      summary: 'Keep room for the loss of any host, or any zone, from the next decision on',
      roles: ['operator'],
      body: json(ruleSchema),
      responses: answers,
      write: true,
      handler: (context) => set(context, context.body),
    }),
    route({
      method: 'delete',
      path: '/v1/policies/spare',
      tag: 'policies',
      summary: 'Keep no room for losses any more',
      roles: ['operator'],
      responses: answers,
      write: true,
      handler: (context) => set(context),
    }),
  ];
}
