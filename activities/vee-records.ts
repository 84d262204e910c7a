import type { BlueprintId, HostId, OperationId, VeeId } from '../domain/ids';
import { hasEnded } from '../domain/operation/operation';
import type { LivingVee } from '../domain/service/deployment';
import type { Capacity } from '../domain/units';
import { nextState, type VeeVerb } from '../domain/vee/state-machine';
import type { VeeRecord, VeeTemplate } from '../domain/vee/vee';
import { BlueprintReader } from './blueprint-reader';
import type { SiteDeps } from './deps';
import { toLiving } from './living';
import { FIRST_EPOCH } from './planning';

interface OnVee {
  readonly operationId: OperationId;
  readonly veeId: VeeId;
}

interface OnBlueprint {
  readonly operationId: OperationId;
  readonly blueprintId: BlueprintId;
}

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

    async retireVee({ operationId, veeId }: OnVee): Promise<void> {
      const vee = await store.vees.commit({
        veeId,
        operationId,
        step: 'retire',
        change: { state: 'DESTROYED' },
        ledger: 'destroyed',
        now: deps.now(),
      });
      await releaseEverywhere(veeId);
      await told(vee, operationId, 'destroyed', `${vee.component}/${vee.index} ended on ${vee.hostId}`);
    },

    async lockVee({
      operationId,
      veeId,
      verb,
    }: OnVee & { verb: VeeVerb }): Promise<LivingVee & { template: VeeTemplate }> {
      const vee = await store.vees.beginTransition(veeId, verb, operationId, deps.now(), hasEndedById);
      return { ...(await toLiving(store, vee)), template: vee.template };
    },

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

    async commitMove({
      operationId,
      veeId,
      toHostId,
      epoch,
    }: OnVee & { toHostId: HostId; epoch: number }): Promise<void> {
      const vee = await store.vees.commit({
        veeId,
        operationId,
        step: 'move',
        change: { hostId: toHostId, epoch },
        ledger: 'moved',
        now: deps.now(),
      });
      await told(vee, operationId, 'moved', `${vee.component}/${vee.index} moved to ${toHostId}`);
    },
  };

  /** Also what a migration that was given up holds for it on another host. */
  async function releaseEverywhere(veeId: VeeId): Promise<void> {
    for (const host of await store.hosts.all())
      if (host.reservations[veeId]) await store.hosts.release(host.id, veeId);
  }

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
