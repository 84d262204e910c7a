import { SluiceError } from '../domain/errors';
import { agentTaskQueue, type OperationId, type ServiceId, type VeeId } from '../domain/ids';
import { templateOf } from '../domain/manifest/components';
import { type OnFailure, updatePolicyOf } from '../domain/manifest/policies';
import type { Snapshot } from '../domain/placement/model';
import { refusalSummary } from '../domain/placement/refusal-summary';
import type { Deployment, LivingVee } from '../domain/service/deployment';
import { recompositionRefusal } from '../domain/service/recompose-refusal';
import type { MemberMaking, RecompositionOutline, WaveWork } from '../domain/service/recompose-work';
import {
  creationRequest,
  decideRecomposition,
  type Handing,
  memberMoveRequest,
  playedOn,
} from '../domain/service/rehearsal';
import type { VeeRecord } from '../domain/vee/vee';
import type { RecompositionRecord } from '../store/recompositions';
import { hostOf } from '../store/snapshot';
import { takeSnapshotWithSpare } from '../store/spare';
import { BlueprintReader } from './blueprint-reader';
import { awaitSuspects, decide, decideAndReserve } from './decide';
import type { SiteDeps } from './deps';
import { toLiving } from './living';
import type { PlannedMove } from './moves';
import { serviceOf, toDeployment } from './planning';
import { enterPhase } from './service-records';

interface OnService {
  readonly operationId: OperationId;
  readonly serviceId: ServiceId;
}

interface OnWave extends OnService {
  /** From 0. */
  readonly wave: number;
}

const outlineOf = (
  { waves }: RecompositionRecord,
  onFailure: OnFailure,
  former: RecompositionOutline['former'],
): RecompositionOutline => ({
  waves: waves.length,
  moves: waves.some((w) => w.move !== undefined),
  onFailure,
  former,
});

/** Activities of a re-composition: how it goes, wave by wave, and how far the service's record has come with it. */
export function createRecompositionActivities(deps: SiteDeps) {
  const { store } = deps;
  const reader = new BlueprintReader(store);

  async function recordOf(operationId: OperationId): Promise<RecompositionRecord> {
    const record = await store.recompositions.get(operationId);
    if (!record) throw new SluiceError('not-found', `${operationId} has no plan.`);
    return record;
  }

  async function veeOf(id: VeeId): Promise<VeeRecord> {
    const vee = await store.vees.get(id);
    if (!vee) throw new SluiceError('not-found', `There is no VEE ${id}.`);
    return vee;
  }

  async function digestOf(operationId: OperationId): Promise<string> {
    const digest = (await store.operations.get(operationId))?.params.manifestDigest;
    if (digest === undefined) throw new SluiceError('not-found', `${operationId} names no manifest.`);
    return digest;
  }

  async function handingOf({ operationId, serviceId }: OnService): Promise<Handing> {
    const service = await serviceOf(store, serviceId);
    const { waves } = await recordOf(operationId);
    const [current, wanted] = await Promise.all([
      store.services.manifest(service.manifestDigest),
      reader.manifest(operationId),
    ]);
    return { service, current, wanted, waves };
  }

  return {
    /** Decides everything, and plays it through, before anything changes. A repeat finds what was decided. */
    async planRecomposition({ operationId, serviceId }: OnService): Promise<RecompositionOutline> {
      const wanted = await reader.manifest(operationId);
      const { onFailure } = updatePolicyOf(wanted);
      const kept = await store.recompositions.get(operationId);
      const service = await serviceOf(store, serviceId);
      const former = service.recomposition ?? null;
      if (kept) return outlineOf(kept, onFailure, former);
      const now = deps.now();
      const [current, members, snapshot] = await Promise.all([
        store.services.manifest(service.manifestDigest),
        store.vees.find({ serviceId, living: true }),
        takeSnapshotWithSpare(store, deps.siteId, now),
      ]);
      const planned = await deps.policies.decide((policy) => {
        const question = { service, current, wanted, members, policy };
        const decideOn = (seen: Snapshot) =>
          decideRecomposition({ ...question, snapshot: seen }, { now, operationId });
        const made = decideOn(snapshot);
        if (made.kind === 'planned' && made.played.kind === 'infeasible')
          awaitSuspects(snapshot, (s) => playedOn(decideOn(s)));
        return made;
      });
      if (planned.kind !== 'planned') throw recompositionRefusal(planned);
      const { plan, played } = planned;
      if (played.kind === 'infeasible')
        throw new SluiceError(
          'placement-infeasible',
          `Wave ${played.wave + 1} of ${plan.waves.length}: ${refusalSummary(played.why)}`,
        );
      const { kind: _, ...decided } = plan;
      const record = { ...decided, id: operationId, serviceId, createdAt: now };
      return outlineOf(await store.recompositions.put(record), onFailure, former);
    },

    async enterRecomposition({ operationId, serviceId }: OnService): Promise<void> {
      const manifestDigest = await digestOf(operationId);
      await enterPhase(deps, {
        serviceId,
        operationId,
        phase: 'recomposing',
        change: { recomposition: { manifestDigest, operationId } },
      });
    },

    /** Undo of `enterRecomposition`, if it came so far: all else was undone by now. */
    async leaveRecomposition({
      operationId,
      serviceId,
      former = null,
    }: OnService & Partial<Pick<RecompositionOutline, 'former'>>): Promise<void> {
      const { recomposition } = await serviceOf(store, serviceId);
      if (recomposition?.operationId !== operationId) return;
      await enterPhase(deps, {
        serviceId,
        operationId,
        phase: 'operating',
        change: { recomposition: former },
      });
    },

    /** It failed, and what was done stays: the service is of both manifests from now on. */
    keepRecomposition: ({ operationId, serviceId }: OnService) =>
      enterPhase(deps, { serviceId, operationId, phase: 'operating' }),

    async commitRecomposition({ operationId, serviceId }: OnService): Promise<void> {
      const { instances } = await recordOf(operationId);
      const manifestDigest = await digestOf(operationId);
      await enterPhase(deps, {
        serviceId,
        operationId,
        phase: 'operating',
        change: { manifestDigest, manifestOperationId: operationId, instances, recomposition: null },
      });
    },

    /** What is to be done in one wave, as its executor needs it: a slice, since the whole may be large. */
    async recompositionWave({ operationId, wave }: OnWave): Promise<WaveWork> {
      const { waves } = await recordOf(operationId);
      const wanted = await reader.manifest(operationId);
      const { resizes = [], move, creates = [], destroys = [] } = waves[wave] ?? {};
      const living = async (veeId: VeeId): Promise<LivingVee> => toLiving(store, await veeOf(veeId));
      const resized = await Promise.all(resizes.map(living));
      const moved = move && (await living(move));
      const names = new Set([...resized, ...(moved ? [moved] : [])].map((v) => v.component));
      const made = wanted.components
        .filter((c) => names.has(c.name))
        .map((c): [string, MemberMaking] => {
          const { capacity, readiness } = templateOf(wanted, c);
          return [c.name, { capacity, readiness }];
        });
      return {
        resizes: resized,
        made: Object.fromEntries(made),
        ...(moved ? { move: moved } : {}),
        creates: creates.length,
        destroys: await Promise.all(destroys.map(living)),
      };
    },

    /** Places a wave's new VEEs. */
    async planWave({
      operationId,
      serviceId,
      wave,
      attempt,
    }: OnWave & { attempt: number }): Promise<Deployment> {
      const handing = await handingOf({ operationId, serviceId });
      const request = creationRequest(handing, wave, operationId);
      const blueprint = await decide(deps, operationId, request, 'wave', wave, attempt);
      return toDeployment(store, blueprint, handing.wanted, await serviceOf(store, serviceId));
    },

    /** Chooses where a member goes and takes the capacity there; a repeat finds what it took. */
    async planMove({ operationId, serviceId, wave, veeId }: OnWave & { veeId: VeeId }): Promise<PlannedMove> {
      const vee = await veeOf(veeId);
      const handing = await handingOf({ operationId, serviceId });
      const { fingerprint } = await hostOf(store, vee.hostId);
      const request = memberMoveRequest(handing, wave, vee, { id: vee.hostId, driver: fingerprint.driver });
      const place = { veeId, amount: vee.template.capacity };
      const hostId =
        (await store.hosts.heldBy(operationId, veeId)) ??
        (await decideAndReserve(deps, operationId, request, ['move', veeId], place)).hostId;
      const target = await hostOf(store, hostId);
      return {
        veeId,
        component: vee.component,
        index: vee.index,
        hostId,
        epoch: await store.vees.nextEpoch(veeId, operationId),
        fromHostId: vee.hostId,
        fromEpoch: vee.epoch,
        agentQueue: agentTaskQueue(target.siteId, target.agentId),
        mode: fingerprint.capabilities.migration === 'cold' ? 'cold' : 'pre-copy',
      };
    },

    /** Places that members were moved away from were kept for them: now nothing goes back any more. */
    async releaseLeftPlaces({ operationId }: OnService): Promise<void> {
      for (const { move: veeId } of (await recordOf(operationId)).waves)
        if (veeId) await store.hosts.releaseAll([veeId], { except: (await store.vees.get(veeId))?.hostId });
    },
  };
}
