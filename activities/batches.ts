import { SluiceError } from '../domain/errors';
import type { OperationId, ServiceId, VeeId } from '../domain/ids';
import { type BatchContents, type ListedWork, tellable, verbFor, type Work } from '../domain/service/batches';
import type { LivingVee } from '../domain/service/deployment';
import type { VeeRecord } from '../domain/vee/vee';
import { singlyChanged } from '../store/stilled';
import type { SiteDeps } from './deps';
import { divide } from './divide';
import { toLivingAll } from './living';
import { inStopOrder } from './stop-order';
import { VeeBook, type VeeVerbOf } from './vee-book';

interface OnVees {
  readonly operationId: OperationId;
  readonly veeIds: readonly VeeId[];
}

interface OnChanges {
  readonly operationId: OperationId;
  readonly changes: readonly VeeVerbOf[];
}

const stilledIn = (groups: readonly (readonly LivingVee[])[]): VeeId[] =>
  groups.flat().flatMap((v) => (v.state === 'ACTIVE' ? [] : [v.veeId]));

const networksOf = (vees: readonly VeeRecord[]): Pick<BatchContents, 'networks'> => {
  const on = vees.flatMap(({ id, networks }) => (networks ? [[id, networks] as const] : []));
  return on.length > 0 ? { networks: Object.fromEntries(on) } : {};
};

/** Activities for services that are too large to be worked on VEE by VEE. */
export function createBatchActivities(deps: SiteDeps) {
  const { store } = deps;
  const book = new VeeBook(deps);

  return {
    /** What an operation has to do on the VEEs that there are. */
    async listWork({
      operationId,
      serviceId,
      work,
    }: {
      operationId: OperationId;
      serviceId: ServiceId;
      work: Exclude<Work, 'deploy'>;
    }): Promise<ListedWork> {
      const all = await inStopOrder(store, serviceId);
      // What somebody has stilled by itself stays so: it was not the service's suspension that did it.
      const spared = work === 'resume' ? await singlyChanged(store, stilledIn(all)) : new Set<VeeId>();
      const groups = all.map((group) => group.filter((v) => !spared.has(v.veeId)));
      if (tellable(groups.flat(), deps.batchSize)) return { kind: 'few', groups };
      const ordered = work === 'resume' ? [...groups].reverse() : groups;
      const items = ordered.map((group) =>
        group.flatMap((vee) => {
          if (work === 'retire') return [vee];
          const verb = verbFor(work, vee);
          return verb ? [{ ...vee, verb }] : [];
        }),
      );
      return { kind: 'many', plan: await divide(deps, operationId, work, items) };
    },

    /** A batch with its VEEs as they are now. */
    async readBatch(call: {
      worklistId: string;
      number: number;
      withTemplates: boolean;
    }): Promise<BatchContents> {
      const batch = await store.worklists.batch(call.worklistId, call.number);
      if (!batch) throw new SluiceError('not-found', `${call.worklistId} has no batch ${call.number}.`);
      const all = await store.vees.some(batch.groups.flat().map((i) => i.veeId));
      const records = all.filter((v) => v.state !== 'DESTROYED');
      const gone = all.filter((v) => v.state === 'DESTROYED');
      const living = await toLivingAll(store, records);
      const byId = new Map(living.map(({ drain: _drain, ...v }) => [v.veeId, v]));
      return {
        gone: gone.map(({ id, component, index }) => ({ veeId: id, component, index })),
        drains: Object.fromEntries(living.flatMap((v) => (v.drain ? [[v.component, v.drain]] : []))),
        templates: call.withTemplates
          ? Object.fromEntries(records.map((v) => [v.component, v.template]))
          : {},
        ...(call.withTemplates ? networksOf(records) : {}),
        groups: batch.groups.map((group) =>
          group.flatMap(({ veeId, verb }) => {
            const vee = byId.get(veeId);
            return vee ? [{ ...vee, ...(verb ? { verb } : {}) }] : [];
          }),
        ),
      };
    },

    activateVees: ({ operationId, veeIds }: OnVees) => book.activate(operationId, veeIds),
    giveUpVees: ({ operationId, veeIds }: OnVees) => book.giveUp(operationId, veeIds),
    retireVees: ({ operationId, veeIds }: OnVees) => book.retire(operationId, veeIds),

    async lockVees({ operationId, changes }: OnChanges): Promise<void> {
      await book.lock(operationId, changes);
    },
    /** Which of them an operation has locked or changed; of the others there is nothing to take back. */
    listTouched: ({ operationId, veeIds }: OnVees) => store.vees.touchedBy(operationId, veeIds),
    unlockVees: ({ operationId, veeIds }: OnVees) => book.unlock(operationId, veeIds),
    commitStates: ({ operationId, changes }: OnChanges) => book.commitStates(operationId, changes),
    /** Undo of `commitStates`: only where this operation had come so far. */
    revertStates: ({ operationId, changes }: OnChanges) => book.revertStates(operationId, changes),
  };
}
