import { SluiceError } from '../domain/errors';
import type { BlueprintId, HostId, OperationId, VeeId } from '../domain/ids';
import { MOST_INLINE } from '../domain/service/batches';
import { type Deployment, type LivingVee, on } from '../domain/service/deployment';
import { type Capacity, fits } from '../domain/units';
import type { VeeVerb } from '../domain/vee/state-machine';
import type { VeeRecord } from '../domain/vee/vee';
import { attach } from './attach';
import { BlueprintReader } from './blueprint-reader';
import type { SiteDeps } from './deps';
import { toLiving } from './living';
import { tellNeighbours } from './neighbours';
import { FIRST_EPOCH } from './planning';
import { VeeBook } from './vee-book';

interface OnVee {
  readonly operationId: OperationId;
  readonly veeId: VeeId;
}

/** A VEE as an operation that holds its lock needs it. */
export type LockedVee = LivingVee & Pick<VeeRecord, 'tenantId' | 'serviceId' | 'template' | 'networks'>;

/** Empty in what an older worker has answered. */
export type RecordedVees = Pick<Deployment, 'networks'>;

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
  const book = new VeeBook(deps);

  return {
    /** @returns how those are on networks that are, where there are not more than an operation makes itself */
    async recordVees({ operationId, blueprintId }: OnBlueprint): Promise<RecordedVees> {
      const blueprint = await reader.blueprint(blueprintId);
      const templateFor = await reader.templates(operationId);
      const service = await reader.service(operationId);
      const vees = blueprint.assignments.map(({ veeId, component, index }) => ({
        ...{ veeId, component, index, template: templateFor(component) },
      }));
      const attached = vees.some((v) => v.template.networks)
        ? await attach(deps, service, await reader.manifest(operationId), vees)
        : undefined;
      const networks = attached && (await tellNeighbours(store, service.id, vees, attached));
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
          ...on(networks?.get(veeId)),
          transition: { verb: 'start', operationId, since: now },
          blueprintId,
          createdAt: now,
          updatedAt: now,
        })),
      );
      return networks && vees.length <= MOST_INLINE ? { networks: Object.fromEntries(networks) } : {};
    },

    /** Undo of `recordVees`: closes what was metered. Their hosts have ended them by now. */
    async discardVees({ operationId, blueprintId }: OnBlueprint): Promise<void> {
      const { assignments } = await reader.blueprint(blueprintId);
      await book.discard(
        operationId,
        assignments.map((a) => a.veeId),
      );
    },

    /** The same for one VEE: what it held is free again, the rest of its blueprint stays. */
    discardVee: ({ operationId, veeId }: OnVee) => book.giveUp(operationId, [veeId]),

    activateVee: ({ operationId, veeId }: OnVee) => book.activate(operationId, [veeId]),

    /** A hook that did not do what it should is told: its service may have lost something. */
    async noteDrain({ operationId, veeId, end }: OnVee & { end: string }): Promise<void> {
      const vees = await store.vees.some([veeId]);
      const nameOf = (v: VeeRecord) => `${v.component}/${v.index}`;
      await book.tell(operationId, vees, (v) => ['drain-failed', `${nameOf(v)}: its drain hook ${end}`]);
    },

    retireVee: ({ operationId, veeId }: OnVee) => book.retire(operationId, [veeId]),

    async lockVee({ operationId, veeId, verb }: OnVee & { verb: VeeVerb }): Promise<LockedVee> {
      const [vee] = await book.lock(operationId, [{ veeId, verb }]);
      if (!vee) throw new SluiceError('not-found', `There is no VEE ${veeId}.`);
      const { tenantId, serviceId, template, networks } = vee;
      return { ...(await toLiving(store, vee)), tenantId, serviceId, template, ...on(networks) };
    },

    /** From now on only a copy with this epoch counts, wherever another may still run. */
    supersedeVee: ({ operationId, veeId, epoch }: OnVee & { epoch: number }) =>
      store.vees.raiseEpoch(veeId, operationId, epoch, deps.now()),

    /** Undo of `supersedeVee`: nothing came of its successor, so the copy that its host may still have counts again. */
    reinstateVee: ({ operationId, veeId, epoch }: OnVee & { epoch: number }) =>
      store.vees.lowerEpoch(veeId, operationId, epoch, deps.now()),

    unlockVee: ({ operationId, veeId }: OnVee) => book.unlock(operationId, [veeId]),

    commitState: ({ operationId, veeId, verb }: OnVee & { verb: VeeVerb }) =>
      book.commitStates(operationId, [{ veeId, verb }]),

    /** Undo of `commitState`: only if this operation had come so far. */
    revertState: ({ operationId, veeId, verb }: OnVee & { verb: VeeVerb }) =>
      book.revertStates(operationId, [{ veeId, verb }]),

    async commitResize({ operationId, veeId, capacity }: OnVee & { capacity: Capacity }): Promise<void> {
      const vees = await book.commit(operationId, [
        { veeId, step: 'resize', change: { capacity }, ledger: 'resized' },
      ]);
      const size = `${capacity.cpuMillis} cpuMillis and ${capacity.memoryMiB} memoryMiB`;
      await book.tell(operationId, vees, (v) => ['resized', `${v.component}/${v.index} has ${size}`]);
    },

    /** Undo of `commitResize`: only if this operation had come so far. */
    async revertResize({ operationId, veeId, capacity }: OnVee & { capacity: Capacity }): Promise<void> {
      const vee = await store.vees.get(veeId);
      if (!vee || vee.transition?.operationId === operationId) return;
      if (fits(vee.template.capacity, capacity) && fits(capacity, vee.template.capacity)) return;
      await book.commit(operationId, [
        { veeId, step: 'revert resize', change: { capacity }, ledger: 'resized' },
      ]);
    },

    async commitMove({
      operationId,
      veeId,
      toHostId,
      epoch,
      step = 'move',
    }: OnVee & { toHostId: HostId; epoch: number; step?: MoveStep }): Promise<void> {
      const change = {
        hostId: toHostId,
        epoch,
        ...(step === 'relocate' ? { state: 'ACTIVE' as const } : {}),
      };
      const vees = await book.commit(operationId, [{ veeId, step, change, ledger: 'moved' }]);
      const { kind, verb } = MOVE_EVENTS[step];
      await book.tell(operationId, vees, (v) => [kind, `${v.component}/${v.index} ${verb} ${toHostId}`]);
    },
  };
}
