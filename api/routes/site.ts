import { z } from 'zod';
import { SluiceError } from '../../domain/errors';
import { inClassOrder } from '../../domain/maintenance/site-order';
import { costOfChanging } from '../../domain/operation/plan-cost';
import { loadsAfter } from '../../domain/placement/loads';
import { MOST_BALANCE_MOVES, USUAL_MOVES } from '../../domain/rebalance/model';
import type { ServiceRecord } from '../../domain/service/service';
import { readBalanceQuestion } from '../../store/balance-question';
import { singlyChanged } from '../../store/stilled';
import type { ApiDeps } from '../deps';
import { planOf } from '../dry-run';
import { priced } from '../hosting';
import { movedBy, rebalanceFigures } from '../rebalance-figures';
import { requestOperation } from '../request-operation';
import { dryRunQuery, json, type Route, route } from '../route';
import { started } from '../schemas';

const rebalanceSchema = z
  .strictObject({
    mostMoves: z
      .int()
      .min(1)
      .max(MOST_BALANCE_MOVES)
      .default(USUAL_MOVES)
      .describe('How many VEEs it may move'),
  })
  .prefault({});

/** What is done to the site as a whole. */
export function siteRoutes(deps: ApiDeps): Route[] {
  const { store, siteId } = deps;

  async function inOrder(services: readonly ServiceRecord[]): Promise<ServiceRecord[][]> {
    const classed = await Promise.all(
      services.map(async (service) => ({ service, slaClass: await store.services.slaClass(service) })),
    );
    return inClassOrder(classed).map((group) => group.map((g) => g.service));
  }

  return [
    route({
      method: 'post',
      path: '/v1/site/shutdown',
      tag: 'site',
      summary: 'Still every service in order, so that hosts may be switched off',
      roles: ['operator'],
      query: dryRunQuery,
      responses: started,
      write: true,
      dryRun: true,
      handler: async (context) => {
        if (await store.site.shutdown(siteId))
          throw new SluiceError('transition-illegal', `${siteId} is shut down already: power it up.`);
        if (context.dryRun) {
          const services = (await store.services.all()).filter((s) => s.phase === 'operating');
          const groups = (await inOrder(services)).reverse();
          const running = (await store.vees.find({ living: true })).filter((v) => v.state === 'ACTIVE');
          return planOf(
            'site.shutdown',
            [
              'close every host',
              ...groups.flatMap((group, i) => group.map((s) => `${i + 1}. suspend ${s.tenantId}:${s.name}`)),
              'verify that nothing runs',
            ],
            costOfChanging(running.length, running.length),
          );
        }
        return requestOperation(deps, context, { kind: 'site.shutdown' });
      },
    }),
    route({
      method: 'post',
      path: '/v1/site/power-up',
      tag: 'site',
      summary: 'Bring back what the shutdown stilled, in order',
      roles: ['operator'],
      query: dryRunQuery,
      responses: started,
      write: true,
      dryRun: true,
      handler: async (context) => {
        const shutdown = await store.site.shutdown(siteId);
        if (!shutdown) throw new SluiceError('transition-illegal', `${siteId} is not shut down.`);
        if (context.dryRun) {
          const stilled = new Set(shutdown.services);
          const services = (await store.services.all()).filter(
            (s) => stilled.has(s.id) && s.phase === 'suspended',
          );
          const ids = new Set<string>(services.map((s) => s.id));
          const still = (await store.vees.find({ living: true })).filter(
            (v) => ids.has(v.serviceId) && v.state !== 'ACTIVE',
          );
          const spared = await singlyChanged(
            store,
            still.map((v) => v.id),
          );
          const vees = still.filter((v) => !spared.has(v.id));
          return planOf(
            'site.power-up',
            [
              `open ${shutdown.hosts.length} hosts once they are up`,
              ...(await inOrder(services)).flatMap((group, i) =>
                group.map((s) => `${i + 1}. resume ${s.tenantId}:${s.name}`),
              ),
            ],
            costOfChanging(vees.length, 0),
          );
        }
        return requestOperation(deps, context, { kind: 'site.power-up' });
      },
    }),
    route({
      method: 'post',
      path: '/v1/site/rebalance',
      tag: 'site',
      summary: 'Move VEEs so that hosts are loaded more evenly, or fewer are in use, as the policy wants it',
      roles: ['operator'],
      query: dryRunQuery,
      body: json(rebalanceSchema),
      responses: started,
      write: true,
      dryRun: true,
      handler: async (context) => {
        const { mostMoves } = context.body;
        if (context.dryRun) {
          const limits = {
            ...{ siteId: deps.siteId, policy: await deps.policies.inForce() },
            ...{ budget: deps.migrationBudget, mostMoves },
          };
          const question = await readBalanceQuestion(store, Date.now(), limits, 'people');
          const plan = await deps.planner.planRebalance(question);
          const { moves, waves, interrupted } = plan;
          const vees = moves.reduce((n, m) => n + m.veeIds.length, 0);
          const moved = movedBy(question, moves);
          return planOf(
            'site.rebalance',
            waves.flatMap((wave, n) =>
              wave.flatMap((i) => {
                const m = moves[i];
                return m ? [`wave ${n + 1}: move ${m.label} to ${m.toHostId}: ${m.because}`] : [];
              }),
            ),
            await priced(deps, context.identity, costOfChanging(vees, interrupted), {
              hosts: question.hosts,
              ...moved,
            }),
            {
              ...rebalanceFigures(plan),
              loads: loadsAfter(question.hosts, moved.changes),
              moves: waves.flatMap((wave, n) =>
                wave.flatMap((i) => (moves[i] ? [{ wave: n + 1, ...moves[i] }] : [])),
              ),
            },
          );
        }
        return requestOperation(deps, context, { kind: 'site.rebalance', params: { mostMoves } });
      },
    }),
  ];
}
