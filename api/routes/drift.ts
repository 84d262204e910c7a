import { z } from 'zod';
import { SluiceError } from '../../domain/errors';
import { type HostId, NAME_PATTERN } from '../../domain/ids';
import { costOfChanging } from '../../domain/operation/plan-cost';
import { findDrift, isActed, within } from '../../domain/reconcile/drift';
import { describeLeftovers, findLeftovers, givesBack } from '../../domain/reconcile/leftovers';
import { DRIFT_KINDS } from '../../domain/reconcile/model';
import { tasksOf, told } from '../../domain/reconcile/tasks';
import { readDriftState } from '../../store/drift-state';
import type { ApiDeps } from '../deps';
import { planOf } from '../dry-run';
import { requestOperation } from '../request-operation';
import { dryRunQuery, json, pageQuery, type Route, route } from '../route';
import { driftSchema, pageOf, started } from '../schemas';

const narrowingSchema = z
  .strictObject({
    kinds: z.array(z.enum(DRIFT_KINDS)).min(1).optional().describe('Only these; all when left out'),
    hostId: z.string().regex(NAME_PATTERN).optional().describe('Only what this host reports'),
    report: z.boolean().default(false).describe('Look and tell, but do nothing about it'),
  })
  .prefault({});

/** Where what is recorded and what drivers report differ. */
export function driftRoutes(deps: ApiDeps): Route[] {
  const { store } = deps;

  return [
    route({
      method: 'get',
      path: '/v1/drift',
      tag: 'drift',
      summary: 'Differences between records and hosts that looks have found, newest first',
      roles: ['operator'],
      query: pageQuery.extend({
        kind: z.enum(DRIFT_KINDS).optional(),
        host: z.string().max(63).optional(),
        all: z.stringbool().default(false).describe('Also what is over, for a week'),
      }),
      responses: { 200: { description: 'A page', schema: pageOf(driftSchema) } },
      handler: async ({ query: { kind, host, all, ...page } }) => {
        const filter = { open: !all, kind, hostId: host };
        const { items, ...rest } = await store.drift.page(filter, page);
        const shown = items.map(({ mendedOn: _on, seenInReportOf: _report, attempts, ...record }) => ({
          ...record,
          attempts: attempts.map((a) => a.operationId),
        }));
        return { status: 200, body: { items: shown, ...rest } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/reconcile',
      tag: 'drift',
      summary: 'Look for drift now, and mend what can be mended safely',
      roles: ['operator'],
      query: dryRunQuery,
      body: json(narrowingSchema),
      responses: started,
      write: true,
      dryRun: true,
      handler: async (context) => {
        const { kinds, hostId, report } = context.body;
        if (hostId !== undefined && !(await store.hosts.get(hostId as HostId)))
          throw new SluiceError('not-found', `There is no host "${hostId}".`, { pointer: '/hostId' });
        const drift = {
          ...(kinds ? { kinds } : {}),
          ...(hostId === undefined ? {} : { hostId }),
          ...(report ? { reportOnly: true } : {}),
        };
        if (context.dryRun) {
          const state = await readDriftState(store, Date.now());
          const found = findDrift(state, deps.drift, drift);
          const [findings, skipped] = [found.findings, found.skipped].map((all) =>
            all.filter((f) => within(drift, f)),
          );
          const leftovers = givesBack(drift) ? describeLeftovers(findLeftovers(state, deps.drift)) : [];
          const steps = [...(findings ?? []).map(told), ...leftovers.map((l) => l.step)];
          return planOf('site.reconcile', steps, costOfChanging((findings ?? []).filter(isActed).length, 0), {
            findings,
            skipped,
            tasks: tasksOf(found.findings, state.hosts, drift).length,
          });
        }
        return requestOperation(deps, context, { kind: 'site.reconcile', params: { drift } });
      },
    }),
  ];
}
