import type { BlueprintId, HostId, OperationId, VeeId } from '../domain/ids';
import { hasEnded } from '../domain/operation/operation';
import type { LivingVee } from '../domain/service/deployment';
import { type Capacity, fits } from '../domain/units';
import { nextState, type VeeVerb } from '../domain/vee/state-machine';
import type { VeeRecord } from '../domain/vee/vee';
import { BlueprintReader } from './blueprint-reader';
import type { SiteDeps } from './deps';
import { toLiving } from './living';
import { FIRST_EPOCH } from './planning';

interface OnVee {
  readonly operationId: OperationId;
  readonly veeId: VeeId;
}

/** A VEE as an operation that holds its lock needs it. */
export type LockedVee = LivingVee & Pick<VeeRecord, 'tenantId' | 'serviceId' | 'template'>;

interface OnBlueprint {
  readonly operationId: OperationId;
  readonly blueprintId: BlueprintId;
}

/** How a VEE came to another host: by its operation's move, by the undo of it, or made anew. */
export type MoveStep = 'move' | 'move back' | 'relocate';

const MOVE_EVENTS: Readonly<Record<MoveStep, { kind: string; verb: string }>> = {
  move: { kind: 'moved', verb: 'moved to' },
  'move back': { kind: 'moved-back', verb: 'moved back to' },
  relocate: { kind: 'relocated', verb: 'was made anew on' },
};

/** Activities that record what was done to a VEE, and meter it. Each may be repeated; none decides anything. */
export function createVeeRecordActivities(deps: SiteDeps) {
  const { store } = deps;
  const reader = new BlueprintReader(store);

  async function told(
    vee: VeeRecord,
    operationId: OperationId,
    kind: string,
    message: string,
  ): Promise<void> {
    const { id, tenantId, serviceId } = vee;
    await store.events.append({
      id: `${operationId}/${id}/${kind}`,
      at: deps.now(),
      kind: `vee.${kind}`,
      message,
      tenantId,
      serviceId,
      subject: id,
      operationId,
    });
  }

  return {
    async recordVees({ operationId, blueprintId }: OnBlueprint): Promise<void> {
      const blueprint = await reader.blueprint(blueprintId);
      const templateFor = await reader.templates(operationId);
      const service = await reader.service(operationId);
      const now = deps.now();
      await store.vees.define(
        blueprint.assignments.map(({ veeId, component, index, hostId }) => ({
          id: veeId,
          tenantId: service.tenantId,
          serviceId: service.id,
          component,
          index,
          state: 'DEFINED',
          hostId,
          epoch: FIRST_EPOCH,
          generation: 1,
          template: templateFor(component),
          transition: { verb: 'start', operationId, since: now },
          blueprintId,
          createdAt: now,
          updatedAt: now,
        })),
      );
    },

    /** Undo of `recordVees`: closes what was metered. Their hosts have ended them by now. */
    async discardVees({ operationId, blueprintId }: OnBlueprint): Promise<void> {
      for (const { veeId } of (await reader.blueprint(blueprintId)).assignments) {
        if (!(await store.vees.get(veeId))) continue;
        await store.vees.commit({
          veeId,
          operationId,
          step: 'discard',
          change: { state: 'DESTROYED' },
          ledger: 'destroyed',
          now: deps.now(),
        });
      }
    },

    /** The same for one VEE: what it held is free again, the rest of its blueprint stays. */
    async discardVee({ operationId, veeId }: OnVee): Promise<void> {
      if (await store.vees.get(veeId)) {
        const vee = await store.vees.commit({
          veeId,
          operationId,
          step: 'discard',
          change: { state: 'DESTROYED' },
          ledger: 'destroyed',
          now: deps.now(),
        });
        await told(vee, operationId, 'discarded', `${vee.component}/${vee.index} was given up`);
      }
      await store.hosts.releaseAll(veeId);
    },

    async activateVee({ operationId, veeId }: OnVee): Promise<void> {
      const vee = await store.vees.commit({
        veeId,
        operationId,
        step: 'activate',
        change: { state: 'ACTIVE' },
        ledger: 'activated',
        now: deps.now(),
      });
      await told(vee, operationId, 'activated', `${vee.component}/${vee.index} runs on ${vee.hostId}`);
    },

    /** A hook that did not do what it should is told: its service may have lost something. */
    async noteDrain({ operationId, veeId, end }: OnVee & { end: string }): Promise<void> {
      const vee = await store.vees.get(veeId);
      if (vee)
        await told(vee, operationId, 'drain-failed', `${vee.component}/${vee.index}: its drain hook ${end}`);
    },

    async retireVee({ operationId, veeId }: OnVee): Promise<void> {
      const vee = await store.vees.commit({
        veeId,
        operationId,
        step: 'retire',
        change: { state: 'DESTROYED' },
        ledger: 'destroyed',
        now: deps.now(),
      });
      // Also what a migration that was given up holds for it on another host.
      await store.hosts.releaseAll(veeId);
      await told(vee, operationId, 'destroyed', `${vee.component}/${vee.index} ended on ${vee.hostId}`);
    },

    async lockVee({ operationId, veeId, verb }: OnVee & { verb: VeeVerb }): Promise<LockedVee> {
      const vee = await store.vees.beginTransition(veeId, verb, operationId, deps.now(), hasEndedById);
      const { tenantId, serviceId, template } = vee;
      return { ...(await toLiving(store, vee)), tenantId, serviceId, template };
    },

    /** From now on only a copy with this epoch counts, wherever another may still run. */
    supersedeVee: ({ operationId, veeId, epoch }: OnVee & { epoch: number }) =>
      store.vees.raiseEpoch(veeId, operationId, epoch, deps.now()),

    unlockVee: ({ operationId, veeId }: OnVee) =>
      store.vees.abandonTransition(veeId, operationId, deps.now()),

    async commitState({ operationId, veeId, verb }: OnVee & { verb: VeeVerb }): Promise<void> {
      const vee = await store.vees.commit({
        veeId,
        operationId,
        step: verb,
        change: await stateAfter(veeId, verb),
        ledger: 'state',
        now: deps.now(),
      });
      await told(vee, operationId, verb, `${vee.component}/${vee.index}: ${verb}`);
    },

    /** Undo of `commitState`: only if this operation had come so far. */
    async revertState({ operationId, veeId, verb }: OnVee & { verb: VeeVerb }): Promise<void> {
      const vee = await store.vees.get(veeId);
      if (!vee || vee.transition?.operationId === operationId || nextState(vee.state, verb) === undefined)
        return;
      await store.vees.commit({
        veeId,
        operationId,
        step: `revert ${verb}`,
        change: await stateAfter(veeId, verb),
        ledger: 'state',
        now: deps.now(),
      });
    },

    async commitResize({ operationId, veeId, capacity }: OnVee & { capacity: Capacity }): Promise<void> {
      const vee = await store.vees.commit({
        veeId,
        operationId,
        step: 'resize',
        change: { capacity },
        ledger: 'resized',
        now: deps.now(),
      });
      await told(
        vee,
        operationId,
        'resized',
        `${vee.component}/${vee.index} has ${capacity.cpuMillis} cpuMillis and ${capacity.memoryMiB} memoryMiB`,
      );
    },

    /** Undo of `commitResize`: only if this operation had come so far. */
    async revertResize({ operationId, veeId, capacity }: OnVee & { capacity: Capacity }): Promise<void> {
      const vee = await store.vees.get(veeId);
      if (!vee || vee.transition?.operationId === operationId) return;
      if (fits(vee.template.capacity, capacity) && fits(capacity, vee.template.capacity)) return;
      await store.vees.commit({
        veeId,
        operationId,
        step: 'revert resize',
        change: { capacity },
        ledger: 'resized',
        now: deps.now(),
      });
    },

    async commitMove({
      operationId,
      veeId,
      toHostId,
      epoch,
      step = 'move',
    }: OnVee & { toHostId: HostId; epoch: number; step?: MoveStep }): Promise<void> {
      const vee = await store.vees.commit({
        veeId,
        operationId,
        step,
        change: { hostId: toHostId, epoch, ...(step === 'relocate' ? { state: 'ACTIVE' } : {}) },
        ledger: 'moved',
        now: deps.now(),
      });
      await told(
        vee,
        operationId,
        MOVE_EVENTS[step].kind,
        `${vee.component}/${vee.index} ${MOVE_EVENTS[step].verb} ${toHostId}`,
      );
    },
  };

  async function hasEndedById(id: OperationId): Promise<boolean> {
    const holder = await store.operations.get(id);
    return holder === undefined || hasEnded(holder);
  }

  async function stateAfter(veeId: VeeId, verb: VeeVerb) {
    const state = (await store.vees.get(veeId))?.state;
    const next = state && nextState(state, verb);
    return next ? { state: next } : {};
  }
}
