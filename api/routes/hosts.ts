import { z } from 'zod';
import { SluiceError } from '../../domain/errors';
import type { HostRecord } from '../../domain/host';
import type { HostId } from '../../domain/ids';
import { NO_COST } from '../../domain/operation/plan-cost';
import type { ApiDeps } from '../deps';
import { planOf } from '../dry-run';
import { blockedOf, planDrain, planRecovery, planRestore } from '../plan-maintenance';
import { requestOperation } from '../request-operation';
import { checkMatch, dryRunQuery, etagOf, json, pageQuery, type Route, route } from '../route';
import { hostSchema, pageOf, started } from '../schemas';
import { hostView } from '../views';

const byId = z.strictObject({ id: z.string().max(63) });

export function hostRoutes(deps: ApiDeps): Route[] {
  const { store } = deps;

  async function load(id: string, ifMatch?: number): Promise<HostRecord> {
    const host = await store.hosts.get(id as HostId);
    if (!host) throw new SluiceError('not-found', 'There is no such host.');
    checkMatch(ifMatch, host);
    return host;
  }

  return [
    route({
      method: 'get',
      path: '/v1/hosts',
      tag: 'hosts',
      summary: 'List hosts',
      roles: ['operator'],
      query: pageQuery,
      responses: { 200: { description: 'A page', schema: pageOf(hostSchema) } },
      handler: async ({ query }) => {
        const { items, ...rest } = await store.hosts.page(query);
        return { status: 200, body: { items: items.map(hostView), ...rest } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/hosts/{id}',
      tag: 'hosts',
      summary: 'One host',
      roles: ['operator'],
      params: byId,
      responses: { 200: { description: 'The host', schema: hostSchema } },
      handler: async ({ params }) => {
        const host = await store.hosts.get(params.id as HostId);
        if (!host) throw new SluiceError('not-found', 'There is no such host.');
        return {
          status: 200,
          body: { ...hostView(host), reservations: host.reservations, reported: host.reported },
          headers: etagOf(host),
        };
      },
    }),
    ...(['cordon', 'uncordon'] as const).map((verb) =>
      route({
        method: 'post',
        path: `/v1/hosts/{id}/${verb}`,
        tag: 'hosts',
        summary: verb === 'cordon' ? 'Place nothing new on it' : 'Place on it again',
        roles: ['operator'],
        params: byId,
        query: dryRunQuery,
        responses: { 200: { description: 'The host; for a dry run, the plan', schema: hostSchema } },
        write: true,
        dryRun: true,
        ifMatch: true,
        handler: async ({ params, ifMatch, dryRun }) => {
          const id = params.id as HostId;
          const current = await store.hosts.get(id);
          if (!current) throw new SluiceError('not-found', 'There is no such host.');
          checkMatch(ifMatch, current);
          if (dryRun) return planOf(`host.${verb}`, [`${verb} ${id}`], NO_COST);
          const host = await store.hosts.requestCordon(id, verb === 'cordon', ifMatch);
          if (!host) throw new SluiceError('stale-etag', 'It changed since you read it.');
          return { status: 200, body: hostView(host), headers: etagOf(host) };
        },
      }),
    ),
    route({
      method: 'post',
      path: '/v1/hosts/{id}/drain',
      tag: 'hosts',
      summary: 'Empty it for maintenance',
      roles: ['operator'],
      params: byId,
      query: dryRunQuery,
      body: json(
        z.strictObject({
          immovable: z
            .enum(['ask', 'restart', 'ignore'])
            .default('ask')
            .describe(
              'What becomes of VEEs that can’t be moved: refuse to begin, restart them elsewhere (and refuse to begin if that can’t be done either), or leave them',
            ),
        }),
      ),
      responses: started,
      write: true,
      dryRun: true,
      ifMatch: true,
      handler: async (context) => {
        const host = await load(context.params.id, context.ifMatch);
        const { immovable } = context.body;
        const plan = await planDrain(deps, host, context.operationId, immovable);
        if (context.dryRun) return plan.answer;
        // Better refused now than half-way: the operator says what is to become of those.
        if (immovable !== 'ignore' && plan.blocked.length > 0) throw blockedOf(host, plan.blocked);
        return requestOperation(deps, context, {
          kind: 'host.drain',
          hostId: host.id,
          params: { immovable },
        });
      },
    }),
    route({
      method: 'post',
      path: '/v1/hosts/{id}/restore',
      tag: 'hosts',
      summary: 'Open it after maintenance, and bring back what left it for that',
      roles: ['operator'],
      params: byId,
      query: dryRunQuery,
      responses: started,
      write: true,
      dryRun: true,
      ifMatch: true,
      handler: async (context) => {
        const host = await load(context.params.id, context.ifMatch);
        if (!host.maintenance)
          throw new SluiceError('transition-illegal', `${host.id} is not in maintenance: drain it first.`);
        if (context.dryRun) return planRestore(deps, host, context.operationId);
        return requestOperation(deps, context, { kind: 'host.restore', hostId: host.id });
      },
    }),
    route({
      method: 'post',
      path: '/v1/hosts/{id}/recover',
      tag: 'hosts',
      summary: 'Make the VEEs of a lost host anew on others',
      roles: ['operator'],
      params: byId,
      query: dryRunQuery,
      body: json(
        z.strictObject({
          confirmedDown: z
            .boolean()
            .default(false)
            .describe(
              'You vouch that it is off: without a fencing command nothing else keeps its VEEs from running twice',
            ),
        }),
      ),
      responses: started,
      write: true,
      dryRun: true,
      handler: async (context) => {
        const host = await load(context.params.id);
        if (host.liveness !== 'lost')
          throw new SluiceError(
            'transition-illegal',
            `${host.id} is ${host.liveness}: only a lost host is recovered.`,
          );
        if (context.dryRun) return planRecovery(deps, host, context.operationId);
        const { confirmedDown } = context.body;
        if (!deps.canFence && !confirmedDown)
          throw new SluiceError(
            'fencing-unconfirmed',
            `No fencing command is set, so nobody has made sure that ${host.id} runs nothing any more.`,
            { pointer: '/confirmedDown' },
          );
        return requestOperation(deps, context, {
          kind: 'host.recover',
          hostId: host.id,
          params: { confirmed: confirmedDown },
        });
      },
    }),
  ];
}
