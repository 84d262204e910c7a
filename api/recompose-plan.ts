import { changesOfPlaces, type HostChange } from '../domain/cost/hosting-change';
import type { OperationId } from '../domain/ids';
import type { Manifest } from '../domain/manifest/schema';
import { usualMode } from '../domain/migration/estimate';
import {
  costOfEnding,
  costOfMaking,
  costOfMoving,
  costOfResizing,
  NO_COST,
  type PlanCost,
  together,
} from '../domain/operation/plan-cost';
import type { SnapshotHost } from '../domain/placement/model';
import { refusalCounts, refusalSummary } from '../domain/placement/refusal-summary';
import type { Recomposition } from '../domain/service/recompose';
import { recompositionRefusal } from '../domain/service/recompose-refusal';
import { recompositionRemedies } from '../domain/service/recompose-remedies';
import { describeRecomposition, forTenants } from '../domain/service/recompose-text';
import { decideRecomposition, type Rehearsed } from '../domain/service/rehearsal';
import type { ServiceRecord } from '../domain/service/service';
import { ZERO } from '../domain/units';
import type { VeeRecord } from '../domain/vee/vee';
import type { Identity } from '../store/identities';
import { takeSnapshotWithSpare } from '../store/spare';
import type { ApiDeps } from './deps';
import { planOf } from './dry-run';
import { priced } from './hosting';
import type { Answer } from './route';

const OPERATION = 'service.recompose';

/**
 * The difference between a service and a manifest, as a plan: made and played through by the very function that
 * the operation uses.
 * @throws SluiceError `transition-illegal` when a VEE that would change can't
 */
export async function dryRunRecomposition(
  deps: ApiDeps,
  identity: Identity,
  service: ServiceRecord,
  wanted: Manifest,
  operationId: OperationId,
): Promise<Answer> {
  const { store, siteId, policies } = deps;
  const now = Date.now();
  const [current, members, snapshot] = await Promise.all([
    store.services.manifest(service.manifestDigest),
    store.vees.find({ serviceId: service.id, living: true }),
    takeSnapshotWithSpare(store, siteId, now),
  ]);
  const question = { service, current, wanted, members, snapshot };
  const context = { now, operationId };
  const planned = await policies.ask((policy) => decideRecomposition({ ...question, policy }, context));
  if (planned.kind !== 'planned') throw recompositionRefusal(planned);
  const { plan, played } = planned;
  const operator = identity.role === 'operator';
  const told = operator ? plan : publicly(plan);
  const { members: actions, creations, waves } = told;
  if (played.kind === 'infeasible') {
    const where = `wave ${played.wave + 1} of ${waves.length}`;
    const remedies = await policies.ask((policy) => recompositionRemedies({ ...question, policy }, context));
    const why = operator ? refusalSummary(played.why) : refusalCounts(played.why);
    return {
      status: 200,
      body: {
        dryRun: true,
        operation: OPERATION,
        feasible: false,
        steps: describeRecomposition(told),
        actions,
        creations,
        why: `${where}: ${why}`,
        ...(operator ? { refusals: played.why.unplaced } : {}),
        ...(remedies.length > 0 ? { remedies } : {}),
      },
    };
  }
  const steps = waves.length === 0 ? [] : describeRecomposition(told, played);
  const { hosts } = snapshot;
  const changes = changesOf(plan, played, members, wanted);
  const cost = await priced(deps, identity, costOf(plan, members, wanted, hosts), { hosts, changes });
  return planOf(OPERATION, steps, cost, {
    actions,
    creations,
    waves,
  });
}

function costOf(
  { members, waves }: Recomposition,
  vees: readonly VeeRecord[],
  wanted: Manifest,
  hosts: readonly SnapshotHost[],
): PlanCost {
  const need = new Map(wanted.components.map((c) => [c.name, c.capacity]));
  const byId = new Map(vees.map((v) => [v.id, v]));
  const created = waves.flatMap((w) => w.creates.map((c) => need.get(c.component) ?? ZERO));
  return together([
    costOfMaking(created),
    ...members.map(({ veeId, verb, component }): PlanCost => {
      const vee = byId.get(veeId);
      if (!vee || verb === 'no-op') return NO_COST;
      const { capacity } = vee.template;
      if (verb === 'resize') return costOfResizing(capacity, { ...capacity, ...need.get(component) });
      if (verb === 'move') {
        const host = hosts.find((h) => h.id === vee.hostId);
        return costOfMoving([{ mode: usualMode(host?.capabilities.migration ?? 'cold') }]);
      }
      return costOfEnding([{ capacity, serves: vee.state === 'ACTIVE' }]);
    }),
  ]);
}

/** What comes to hosts and leaves them until all is done. */
function changesOf(
  { members }: Recomposition,
  { waves }: Rehearsed,
  vees: readonly VeeRecord[],
  wanted: Manifest,
): HostChange[] {
  const need = new Map(wanted.components.map((c) => [c.name, c.capacity]));
  const byId = new Map(vees.map((v) => [v.id, v]));
  const moved = new Map(waves.flatMap((w) => (w.move ? [[w.move.veeId, w.move.hostId] as const] : [])));
  return [
    ...changesOfPlaces(
      waves.flatMap((w) => w.creates.map((a) => ({ to: a.hostId, need: need.get(a.component) ?? ZERO }))),
    ),
    ...members.flatMap(({ veeId, verb, component }): HostChange[] => {
      const vee = byId.get(veeId);
      if (!vee || verb === 'no-op') return [];
      const { capacity } = vee.template;
      const { hostId } = vee;
      if (verb === 'resize')
        return [{ hostId, comes: { ...capacity, ...need.get(component) }, leaves: capacity }];
      if (verb === 'move')
        return changesOfPlaces([{ from: hostId, to: moved.get(veeId) ?? hostId, need: capacity }]);
      return [{ hostId, leaves: capacity }];
    }),
  ];
}

function publicly(plan: Recomposition): Recomposition {
  return { ...plan, members: plan.members.map((m) => ({ ...m, reasons: m.reasons.map(forTenants) })) };
}
