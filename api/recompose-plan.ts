import type { OperationId } from '../domain/ids';
import type { Manifest } from '../domain/manifest/schema';
import { refusalCounts, refusalSummary } from '../domain/placement/refusal-summary';
import type { Recomposition } from '../domain/service/recompose';
import { recompositionRefusal } from '../domain/service/recompose-refusal';
import { describeRecomposition, forTenants } from '../domain/service/recompose-text';
import { decideRecomposition } from '../domain/service/rehearsal';
import type { ServiceRecord } from '../domain/service/service';
import type { Identity } from '../store/identities';
import { takeSnapshot } from '../store/snapshot';
import type { ApiDeps } from './deps';
import { planOf } from './dry-run';
import type { Answer } from './route';

const OPERATION = 'service.recompose';

/**
 * The difference between a service and a manifest, as a plan: made and played through by the very function that
 * the operation uses.
 * @throws SluiceError `transition-illegal` when a VEE that would change can't
 */
export async function dryRunRecomposition(
  { store, placementPolicy: policy }: ApiDeps,
  identity: Identity,
  service: ServiceRecord,
  wanted: Manifest,
  operationId: OperationId,
): Promise<Answer> {
  const now = Date.now();
  const [current, members, snapshot] = await Promise.all([
    store.services.manifest(service.manifestDigest),
    store.vees.find({ serviceId: service.id, living: true }),
    takeSnapshot(store, now),
  ]);
  const question = { service, current, wanted, members, snapshot, policy };
  const planned = decideRecomposition(question, { now, operationId });
  if (planned.kind !== 'planned') throw recompositionRefusal(planned);
  const { plan, played } = planned;
  const operator = identity.role === 'operator';
  const told = operator ? plan : publicly(plan);
  const { members: actions, creations, waves } = told;
  if (played.kind === 'infeasible') {
    const where = `wave ${played.wave + 1} of ${waves.length}`;
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
      },
    };
  }
  if (waves.length === 0) return planOf(OPERATION, [], { actions, creations, waves });
  return planOf(OPERATION, describeRecomposition(told, played), { actions, creations, waves });
}

function publicly(plan: Recomposition): Recomposition {
  return { ...plan, members: plan.members.map((m) => ({ ...m, reasons: m.reasons.map(forTenants) })) };
}
