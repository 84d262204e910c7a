import type { Db, Filter, MongoClient } from 'mongodb';
import type { LedgerEvent } from '../domain/accounting/ledger';
import { SluiceError } from '../domain/errors';
import type { HostId, OperationId, ServiceId, TenantId, VeeId } from '../domain/ids';
import type { PlacedVee } from '../domain/placement/model';
import type { VeeState } from '../domain/vee/state-machine';
import type { Standing } from '../domain/vee/superseded';
import type { VeeRecord } from '../domain/vee/vee';
import { findPage, fromStored, type PageRequest, type Stored, toStored } from './documents';
import { plain, type StoredVee, type VeeBookkeeping, type VeeCommit, veeCommits } from './vee-commits';
import { veeLocks } from './vee-locks';

export interface VeeFilter {
  readonly tenantId?: TenantId | undefined;
  readonly serviceId?: ServiceId | undefined;
  readonly component?: string | undefined;
  readonly hostId?: HostId | undefined;
  readonly state?: VeeState | undefined;
  /** Only those that are not destroyed. */
  readonly living?: boolean | undefined;
}

export function veeRepository(client: MongoClient, db: Db) {
  const vees = db.collection<StoredVee>('vees');
  const ledger = db.collection<Stored<LedgerEvent>>('usage');

  const commits = veeCommits(client, vees, ledger);
  const locks = veeLocks(vees);

  return {
    async get(id: VeeId): Promise<VeeRecord | undefined> {
      const doc = await vees.findOne({ _id: id });
      return doc ? plain(doc) : undefined;
    },

    async find(filter: VeeFilter = {}): Promise<VeeRecord[]> {
      return (await vees.find(queryOf(filter)).sort({ component: 1, index: 1, _id: 1 }).toArray()).map(plain);
    },

    /** Those that live, and of the others those named; each with the newest epoch that was ever handed out for it. */
    async withEpochs(alsoIds: readonly VeeId[]): Promise<{ vee: VeeRecord; newestEpoch: number }[]> {
      const docs = await vees
        .find({ $or: [{ state: { $ne: 'DESTROYED' } }, { _id: { $in: [...alsoIds] } }] } as Filter<StoredVee>)
        .toArray();
      return docs.map((d) => ({ vee: plain(d), newestEpoch: Math.max(d.epochs.last, d.epoch) }));
    },

    /** Where all that hold a place are: what a planner needs of them, and no more. */
    async places(ids?: readonly string[]): Promise<PlacedVee[]> {
      const among = ids ? { _id: { $in: [...ids] } } : {};
      const docs = await vees
        .find({ ...queryOf({ living: true }), ...among } as Filter<StoredVee>, {
          projection: {
            ...{ tenantId: 1, serviceId: 1, component: 1, hostId: 1 },
            ...{ 'template.image': 1, 'template.capacity': 1 },
          },
        })
        .sort({ _id: 1 })
        .toArray();
      return docs.map(({ _id, tenantId, serviceId, component, hostId, template }) => ({
        ...{ id: _id as VeeId, tenantId, serviceId, component, hostId },
        ...{ image: template.image, need: template.capacity },
      }));
    },

    /** Those that an operation holds, or was the last to change. */
    async touchedBy(operationId: OperationId, ids: readonly VeeId[]): Promise<VeeId[]> {
      const docs = await vees
        .find(
          {
            _id: { $in: [...ids] },
            $or: [{ 'transition.operationId': operationId }, { lastCommit: new RegExp(`^${operationId}/`) }],
          },
          { projection: { _id: 1 } },
        )
        .toArray();
      return docs.map((d) => d._id as VeeId);
    },

    /** Those of the ids that there are. */
    async some(ids: readonly VeeId[]): Promise<VeeRecord[]> {
      return (await vees.find({ _id: { $in: [...ids] } }).toArray()).map(plain);
    },

    async page(filter: VeeFilter, request: PageRequest) {
      const page = await findPage<VeeRecord & VeeBookkeeping>(
        vees,
        queryOf(filter) as Filter<StoredVee>,
        'createdAt',
        request,
      );
      return { ...page, items: page.items.map((v) => plain(toStored(v))) };
    },

    /** Records VEES that a blueprint placed. Inserting those that are there already changes nothing. */
    async define(records: readonly VeeRecord[]): Promise<void> {
      if (records.length === 0) return;
      await vees.bulkWrite(
        records.map((r) => {
          const { _id, ...rest } = toStored(r);
          const epochs = { last: r.epoch, operationId: null };
          const $setOnInsert = { ...rest, ledgerSeq: 0, ledgerAt: 0, lastCommit: null, epochs };
          return { updateOne: { filter: { _id }, update: { $setOnInsert }, upsert: true } };
        }),
        { ordered: false },
      );
    },

    beginTransitions: locks.beginTransitions,
    abandonTransitions: locks.abandonTransitions,

    /**
     * The epoch for a VEE's next activation: never handed out before, also not to an attempt that failed, and
     * the same for a repeat of the same claim: an operation, or its way back.
     */
    async nextEpoch(id: VeeId, claim: string): Promise<number> {
      await vees.updateOne(
        { _id: id, 'epochs.operationId': { $ne: claim } },
        { $inc: { 'epochs.last': 1 }, $set: { 'epochs.operationId': claim } },
      );
      const doc = await vees.findOne({ _id: id });
      if (doc?.epochs.operationId !== claim)
        throw new SluiceError('conflict', `${id} is being moved by another operation.`);
      return doc.epochs.last;
    },

    /** Raises the recorded epoch of a VEE that this operation holds; one that is newer already stays. */
    async raiseEpoch(id: VeeId, operationId: OperationId, epoch: number, now: number): Promise<void> {
      const result = await vees.updateOne(
        { _id: id, 'transition.operationId': operationId, epoch: { $lt: epoch } },
        { $set: { epoch, updatedAt: now }, $inc: { generation: 1 } },
      );
      if (result.matchedCount === 1) return;
      const current = await vees.findOne({ _id: id });
      if (current?.transition?.operationId !== operationId)
        throw new SluiceError('conflict', `${id} is not held by ${operationId}.`);
    },

    /** Takes `raiseEpoch` back. The number is used up all the same: the next epoch handed out is newer. */
    async lowerEpoch(id: VeeId, operationId: OperationId, epoch: number, now: number): Promise<void> {
      await vees.updateOne(
        { _id: id, 'transition.operationId': operationId, epoch: { $gt: epoch } },
        { $set: { epoch, updatedAt: now }, $inc: { generation: 1 } },
      );
    },

    /** What is recorded of those among these ids that are, as far as it says which copies count. */
    async standing(ids: readonly VeeId[]): Promise<Map<VeeId, Standing>> {
      // Asked with every heartbeat.
      const projection = { epoch: 1, state: 1, hostId: 1, transition: 1, updatedAt: 1 };
      const docs = await vees.find({ _id: { $in: [...ids] } }, { projection }).toArray();
      return new Map(
        docs.map(({ _id, epoch, state, hostId, transition, updatedAt }) => [
          _id as VeeId,
          { epoch, state, hostId, transition, updatedAt },
        ]),
      );
    },

    commit: async (one: VeeCommit): Promise<VeeRecord> => {
      const [record] = await commits.commitAll([one]);
      if (!record) throw new SluiceError('not-found', `There is no VEE ${one.veeId}.`);
      return record;
    },

    commitAll: commits.commitAll,

    /** The operation that last changed the state of each of these VEEs; nothing for one that was only ever started. */
    async stateChangers(ids: readonly VeeId[]): Promise<Map<VeeId, OperationId>> {
      const last = await ledger
        .aggregate<{ _id: VeeId; operationId: OperationId }>([
          { $match: { veeId: { $in: [...ids] }, kind: 'state' } },
          { $sort: { veeId: 1, seq: 1 } },
          { $group: { _id: '$veeId', operationId: { $last: '$operationId' } } },
        ])
        .toArray();
      return new Map(last.map((l) => [l._id, l.operationId]));
    },

    /** VEEs that an operation has moved, as they are now. */
    async movedBy(operationId: OperationId): Promise<VeeRecord[]> {
      const ids = await ledger.distinct('veeId', { operationId, kind: 'moved' });
      return (await vees.find({ _id: { $in: ids as string[] } }).toArray()).map(plain);
    },

    /** Those that went to another host since then, whoever wanted it. */
    async movedSince(at: number): Promise<VeeId[]> {
      return (await ledger.distinct('veeId', { kind: 'moved', at: { $gte: at } })) as VeeId[];
    },

    async ledgerEvents(
      filter: VeeFilter & { veeId?: VeeId | undefined; before?: number },
    ): Promise<LedgerEvent[]> {
      const { tenantId, serviceId, component, veeId, before } = filter;
      const docs = await ledger
        .find({
          ...(tenantId ? { tenantId } : {}),
          ...(serviceId ? { serviceId } : {}),
          ...(component ? { component } : {}),
          ...(veeId ? { veeId } : {}),
          ...(before === undefined ? {} : { at: { $lte: before } }),
        })
        .sort({ veeId: 1, seq: 1 })
        .toArray();
      return docs.map((d) => fromStored<LedgerEvent>(d));
    },
  };
}

function queryOf({ living, ...filter }: VeeFilter): Filter<StoredVee> {
  const set = Object.entries(filter).filter(([, value]) => value !== undefined);
  return {
    ...Object.fromEntries(set),
    ...(living ? { state: { ...(filter.state ? { $eq: filter.state } : {}), $ne: 'DESTROYED' } } : {}),
  } as Filter<StoredVee>;
}

export type VeeRepository = ReturnType<typeof veeRepository>;
