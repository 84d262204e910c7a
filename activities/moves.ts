import { derivedEntropy } from '../domain/derived-entropy';
import { SluiceError } from '../domain/errors';
import type { HostRecord } from '../domain/host';
import {
  agentTaskQueue,
  type BlueprintId,
  type HostId,
  makeBlueprintId,
  type OperationId,
  type ServiceId,
  type VeeId,
} from '../domain/ids';
import { sendLimits } from '../domain/migration/deadline';
import type { MigrationMode } from '../domain/migration/estimate';
import { movesLookedFor } from '../domain/migration/moves-elsewhere';
import { decideMoves, type LeftVee, type MoveQuestion } from '../domain/migration/plan-moves';
import type { OperationParams } from '../domain/operation/operation';
import { algorithmsIn } from '../domain/placement/algorithms';
import { licenceNames } from '../domain/placement/licences';
import { refusalSummary } from '../domain/placement/refusal-summary';
import { describeSuspects } from '../domain/placement/suspects';
import type { PlannedVee } from '../domain/service/deployment';
import type { Capacity } from '../domain/units';
import type { VeeRecord } from '../domain/vee/vee';
import { hostOf, takeSnapshot } from '../store/snapshot';
import { licencesOf, tenancyOf } from './decide';
import type { SiteDeps } from './deps';
import { serviceOf } from './planning';
import { switchOutBroken } from './switch-out';
import type { SendLimits } from './veeh';

/** A VEE that has been given a new place: `hostId` and `epoch` are the new ones. */
export interface PlannedMove extends PlannedVee {
  readonly fromHostId: HostId;
  readonly fromEpoch: number;
  readonly agentQueue: string;
  readonly mode: MigrationMode;
  /** Absent in plans of earlier releases. */
  readonly limits?: SendLimits;
}

export interface MovePlan {
  readonly blueprintId: BlueprintId;
  readonly moves: readonly PlannedMove[];
  /** Indices of `moves`: those of a wave side by side, a later wave after it. */
  readonly waves: readonly (readonly number[])[];
  readonly left: readonly LeftVee[];
}

interface PlanMoves {
  readonly operationId: OperationId;
  readonly serviceId: ServiceId;
  readonly verb: 'migrate' | 'relocate';
  readonly params: OperationParams;
  readonly attempt: number;
}

interface OnMoves {
  readonly operationId: OperationId;
  readonly blueprintId: BlueprintId;
}

const moveHost = ({ id, liveness, cordoned, fingerprint, reported }: HostRecord) => ({
  ...{ id, liveness, cordoned, fingerprint, reported },
});

/** Activities for operations that move several VEEs of a service to other hosts. */
export function createMoveActivities(deps: SiteDeps) {
  const { store, siteId } = deps;

  async function toPlanned(operationId: OperationId, move: Pick<PlannedVee, 'veeId'> & { to: HostId }) {
    const target = await hostOf(store, move.to);
    return {
      hostId: move.to,
      epoch: await store.vees.nextEpoch(move.veeId, operationId),
      agentQueue: agentTaskQueue(target.siteId, target.agentId),
    };
  }

  /** What the blueprint's VEEs need, by the host that they go to, and whose they are: a blueprint is of one service. */
  async function needsOf(blueprintId: BlueprintId): Promise<{
    readonly needs: Map<HostId, Map<string, Capacity>>;
    readonly licences: ReadonlyMap<string, readonly string[]>;
    readonly of?: Pick<VeeRecord, 'tenantId' | 'serviceId'>;
  }> {
    const needs = new Map<HostId, Map<string, Capacity>>();
    const moving: { id: VeeId; licences?: readonly string[] | undefined }[] = [];
    let of: VeeRecord | undefined;
    const blueprint = await store.blueprints.get(blueprintId);
    // Nothing needs a new place: those that move are made anew where they are.
    if (blueprint?.kind !== 'blueprint') return { needs, licences: new Map() };
    for (const { veeId, hostId } of blueprint.assignments) {
      const vee = await store.vees.get(veeId);
      // One that is made anew where it was has its place.
      if (!vee || vee.hostId === hostId) continue;
      of = vee;
      moving.push({ id: veeId, licences: vee.template.licences });
      needs.set(hostId, (needs.get(hostId) ?? new Map()).set(veeId, vee.template.capacity));
    }
    return { needs, licences: licencesOf(moving), ...(of ? { of } : {}) };
  }

  return {
    /** Plans once for each attempt: a repeat finds the blueprint, and so the same moves. */
    async planMoves({ operationId, serviceId, verb, params, attempt }: PlanMoves): Promise<MovePlan> {
      const blueprintId = makeBlueprintId(derivedEntropy(operationId, 'moves', attempt));
      const kept = await store.blueprints.get(blueprintId);
      if (kept?.kind === 'infeasible') throw new SluiceError('placement-infeasible', refusalSummary(kept));
      const now = deps.now();
      const service = await serviceOf(store, serviceId);
      const vees = await store.vees.find({ serviceId, living: true });
      const question: Omit<MoveQuestion, 'policy'> = {
        verb,
        serviceId,
        params,
        manifest: await store.services.manifest(service.manifestDigest),
        vees,
        // Of others it asks nothing, and what goes elsewhere is better small.
        hosts: (await store.hosts.all()).filter((h) => vees.some((v) => v.hostId === h.id)).map(moveHost),
        snapshot: await takeSnapshot(store, now, licenceNames(vees.map((v) => v.template))),
        budget: deps.migrationBudget,
        context: { now, seed: operationId, blueprintId, operationId },
      };
      const decision = await deps.policies.decide(async (policy) => {
        if (kept) return decideMoves({ ...question, policy }, kept);
        const enabled = async () => algorithmsIn(await store.site.algorithms(siteId));
        const made = await movesLookedFor({ ...question, policy }, deps.decideMoves, enabled);
        await switchOutBroken(deps, made.broken ?? []);
        if (made.awaited.length > 0)
          throw new SluiceError('host-unreachable', describeSuspects(made.awaited));
        return made.decision;
      });
      if (decision.kind === 'infeasible')
        await store.blueprints.put({ ...decision.answer, id: blueprintId, operationId, createdAt: now });
      if (decision.kind !== 'moves') throw new SluiceError(decision.error.code, decision.error.detail);
      if (decision.blueprint) await store.blueprints.put(decision.blueprint);
      const moves: PlannedMove[] = [];
      const beganAt = decision.blueprint?.createdAt ?? now;
      for (const [i, { veeId, component, index, from, to, mode, capacity }] of decision.moves.entries()) {
        const wave = decision.waves.findIndex((w) => w.includes(i));
        const laterMillis = decision.waveMillis.slice(wave + 1).reduce((sum, millis) => sum + millis, 0);
        const fromEpoch = question.vees.find((v) => v.id === veeId)?.epoch ?? 0;
        const target = await toPlanned(operationId, { veeId, to });
        const limits = sendLimits(capacity, deps.migrationBudget, params, { beganAt, laterMillis });
        moves.push({ veeId, component, index, fromHostId: from, fromEpoch, mode, limits, ...target });
      }
      return { blueprintId, moves, waves: decision.waves, left: decision.left };
    },

    /** @returns false when a host had no room any more; what was taken elsewhere is given back then */
    async reserveMoves({ operationId, blueprintId }: OnMoves): Promise<boolean> {
      const { needs, licences, of } = await needsOf(blueprintId);
      if (needs.size === 0) return true;
      const tenancy = { ...(await tenancyOf(store, of)), licences };
      if (await store.hosts.reserveAll(operationId, needs, deps.now(), tenancy)) return true;
      for (const [hostId, of] of needs) await store.hosts.releaseAll([...of.keys()], { hostId, operationId });
      return false;
    },

    /**
     * Gives back every place but the one where a VEE is recorded: the new one when it has not moved, the old one
     * when it has. The operation has the service to itself, so no other holds a place for these.
     */
    async releaseStray({ blueprintId }: OnMoves): Promise<void> {
      const blueprint = await store.blueprints.get(blueprintId);
      if (blueprint?.kind !== 'blueprint') return;
      for (const { veeId } of blueprint.assignments)
        await store.hosts.releaseAll([veeId], { except: (await store.vees.get(veeId))?.hostId });
    },

    /**
     * The way back of a VEE that has moved; nothing when it has not, or is back already. Each attempt has an epoch of
     * its own: what was undone of an earlier one may not be made again.
     */
    async planMoveBack({
      operationId,
      veeId,
      toHostId,
      attempt = 1,
    }: {
      operationId: OperationId;
      veeId: VeeId;
      toHostId: HostId;
      attempt?: number;
    }): Promise<{ agentQueue: string; epoch: number; limits: SendLimits } | undefined> {
      const vee = await store.vees.get(veeId);
      if (!vee || vee.hostId === toHostId) return undefined;
      const target = await hostOf(store, toHostId);
      return {
        agentQueue: agentTaskQueue(target.siteId, target.agentId),
        // As large as it was on its way there, and without a deadline.
        limits: sendLimits(vee.template.capacity, deps.migrationBudget, {}, { beganAt: deps.now() }),
        epoch: await store.vees.nextEpoch(veeId, `${operationId}/back${attempt === 1 ? '' : `/${attempt}`}`),
      };
    },
  };
}
