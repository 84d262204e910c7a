import { z } from 'zod';
import { ROUTINE_NAMES, Routines } from '../../temporal/routines';
import type { ApiDeps } from '../deps';
import { type Context, json, type Route, route } from '../route';

const routineSchema = z
  .object({
    name: z.enum(ROUTINE_NAMES),
    everyMillis: z.int().describe('0 where the settings say never'),
    paused: z.boolean(),
    note: z.string().optional().describe('Why it is paused'),
    nextAt: z.int().optional(),
    last: z
      .object({
        at: z.int(),
        state: z.enum(['running', 'completed', 'failed', 'unknown']),
        found: z.int().optional().describe('How much there was to do'),
        operationId: z.string().optional().describe('What it has asked for'),
      })
      .optional(),
  })
  .meta({ id: 'Routine' });

const pauseSchema = z.strictObject({ reason: z.string().min(1).max(200).optional() }).prefault({});
const params = z.strictObject({ name: z.enum(ROUTINE_NAMES) });
const answer = { 200: { description: 'The routine', schema: routineSchema } };

/** What the site looks for by itself, time and again: when, what came of it, and whether it should. */
export function routineRoutes({ siteId, store, temporal }: ApiDeps): Route[] {
  const routines = new Routines(temporal, siteId);

  async function told(
    {
      identity,
      operationId,
      params: { name },
    }: Pick<Context, 'identity' | 'operationId'> & {
      readonly params: z.output<typeof params>;
    },
    done: 'paused' | 'resumed' | 'run',
    why = '',
  ) {
    await store.events.append({
      id: `${operationId}/routine`,
      at: Date.now(),
      kind: `routine.${done}`,
      message: `${identity.name} has ${done} the routine ${name}${why && `: ${why}`}`,
      subject: siteId,
    });
    return { status: 200, body: await routines.get(name) };
  }

  return [
    route({
      method: 'get',
      path: '/v1/routines',
      tag: 'site',
      summary: 'What the site looks for by itself: how often, when next, and what came of it last',
      roles: ['operator'],
      responses: { 200: { description: 'Routines', schema: z.object({ items: z.array(routineSchema) }) } },
      handler: async () => ({ status: 200, body: { items: await routines.all() } }),
    }),
    route({
      method: 'post',
      path: '/v1/routines/{name}/pause',
      tag: 'site',
      summary: 'Look no more until it is resumed; what is under way goes on',
      roles: ['operator'],
      params,
      body: json(pauseSchema),
      responses: answer,
      write: true,
      handler: async (context) => {
        const { reason } = context.body;
        await routines.pause(context.params.name, reason ?? `paused by ${context.identity.name}`);
        return told(context, 'paused', reason);
      },
    }),
    route({
      method: 'post',
      path: '/v1/routines/{name}/resume',
      tag: 'site',
      summary: 'Look again as often as the settings say',
      roles: ['operator'],
      params,
      responses: answer,
      write: true,
      handler: async (context) => {
        await routines.resume(context.params.name);
        return told(context, 'resumed');
      },
    }),
    route({
      method: 'post',
      path: '/v1/routines/{name}/run',
      tag: 'site',
      summary: 'Look now, also while it is paused',
      roles: ['operator'],
      params,
      responses: answer,
      write: true,
      handler: async (context) => {
        await routines.run(context.params.name);
        return told(context, 'run');
      },
    }),
  ];
}
