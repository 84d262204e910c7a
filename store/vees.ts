import type { Db, Filter, MongoClient } from 'mongodb';
import type { LedgerEvent } from '../domain/accounting/ledger';
import { SluiceError } from '../domain/errors';
import type { HostId, OperationId, ServiceId, TenantId, VeeId } from '../domain/ids';
import type { Capacity } from '../domain/units';
import { nextState, requestableVerbs, type VeeState, type VeeVerb } from '../domain/vee/state-machine';
import type { VeeRecord } from '../domain/vee/vee';
import { findPage, fromStored, type PageRequest, type Stored, toStored } from './documents';

/** Bookkeeping beside the record: where its ledger stands, and which commit was the last. */
interface VeeBookkeeping {
  ledgerSeq: number;
  ledgerAt: number;
  lastCommit: string | null;
  /** The newest epoch handed out, and to which operation. */
  epochs: { last: number; operationId: string | null };
}
type StoredVee = Stored<VeeRecord> & VeeBookkeeping;

export interface VeeFilter {
  readonly tenantId?: TenantId | undefined;
  readonly serviceId?: ServiceId | undefined;
  readonly component?: string | undefined;
  readonly hostId?: HostId | undefined;
  readonly state?: VeeState | undefined;
}

/** What decides whether a copy of a VEE that is found somewhere counts. */
export type Standing = Pick<VeeRecord, 'epoch' | 'state' | 'updatedAt'>;

export interface VeeChange {
  readonly state?: VeeState;
  readonly hostId?: HostId;
  readonly epoch?: number;
  readonly capacity?: Capacity;
}

export interface VeeCommit {
  readonly veeId: VeeId;
  readonly operationId: OperationId;
  /** What this commit is within its operation; with the operation's id it makes a repeat recognisable. */
  readonly step: string;
  readonly change: VeeChange;
  readonly ledger: LedgerEvent['kind'];
  readonly now: number;
}

export function veeRepository(client: MongoClient, db: Db) {
  const vees = db.collection<StoredVee>('vees');
  const ledger = db.collection<Stored<LedgerEvent>>('usage');

  const plain = (doc: StoredVee): VeeRecord => {
    const { ledgerSeq: _seq, ledgerAt: _at, lastCommit: _last, epochs: _epochs, ...record } = doc;
    return fromStored<VeeRecord>(record);
  };

  return {
    async get(id: VeeId): Promise<VeeRecord | undefined> {
      const doc = await vees.findOne({ _id: id });
      return doc ? plain(doc) : undefined;
    },

    async find(filter: VeeFilter & { living?: boolean } = {}): Promise<VeeRecord[]> {
      return (await vees.find(queryOf(filter)).sort({ component: 1, index: 1, _id: 1 }).toArray()).map(plain);
    },

    /** Those that live, and of the others those named; each with the newest epoch that was ever handed out for it. */
    async withEpochs(alsoIds: readonly VeeId[]): Promise<{ vee: VeeRecord; newestEpoch: number }[]> {
      const docs = await vees
        .find({ $or: [{ state: { $ne: 'DESTROYED' } }, { _id: { $in: [...alsoIds] } }] } as Filter<StoredVee>)
        .toArray();
      return docs.map((d) => ({ vee: plain(d), newestEpoch: Math.max(d.epochs.last, d.epoch) }));
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

    /**
     * Takes a VEE's lock for an operation by one conditional write: the transition is legal, and no other
     * operation is under way. A lock that was left by one that was given up is taken over. Repeating it is
     * a success.
     * @throws SluiceError `not-found`, `transition-illegal`, `operation-in-progress`
     */
    async beginTransition(
      id: VeeId,
      verb: VeeVerb,
      operationId: OperationId,
      now: number,
      hasEnded: (holder: OperationId) => Promise<boolean>,
    ): Promise<VeeRecord> {
      const current = await vees.findOne({ _id: id });
      if (!current) throw new SluiceError('not-found', `There is no VEE ${id}.`);
      if (current.transition?.operationId === operationId) return plain(current);
      if (current.transition && !(await hasEnded(current.transition.operationId)))
        throw new SluiceError('operation-in-progress', `${id} is held by ${current.transition.operationId}.`);
      if (nextState(current.state, verb) === undefined) throw illegalTransition(plain(current), verb);
      const doc = await vees.findOneAndUpdate(
        { _id: id, generation: current.generation },
        { $set: { transition: { verb, operationId, since: now }, updatedAt: now }, $inc: { generation: 1 } },
        { returnDocument: 'after' },
      );
      if (!doc) throw new SluiceError('conflict', `${id} changed while it was being locked.`);
      return plain(doc);
    },

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

    /** The recorded epoch and state of those among these ids that are recorded. */
    async standing(ids: readonly VeeId[]): Promise<Map<VeeId, Standing>> {
      const docs = await vees
        .find({ _id: { $in: [...ids] } }, { projection: { epoch: 1, state: 1, updatedAt: 1 } })
        .toArray();
      return new Map(
        docs.map(({ _id, epoch, state, updatedAt }) => [_id as VeeId, { epoch, state, updatedAt }]),
      );
    },

    /** Gives the lock back without a change; does nothing if this operation does not hold it. */
    async abandonTransition(id: VeeId, operationId: OperationId, now: number): Promise<void> {
      await vees.updateOne(
        { _id: id, 'transition.operationId': operationId },
        { $set: { transition: null, updatedAt: now }, $inc: { generation: 1 } },
      );
    },

    /**
     * Commits an operation's result: record and ledger change in one transaction, once. The lock is given
     * back with it. Instants never run backwards along a VEE's ledger, whatever a clock does.
     * @throws SluiceError `conflict` when this operation does not hold the VEE
     */
    async commit({ veeId, operationId, step, change, ledger: kind, now }: VeeCommit): Promise<VeeRecord> {
      const key = `${operationId}/${step}`;
      return client.withSession((session) =>
        session.withTransaction(async () => {
          const current = await vees.findOne({ _id: veeId }, { session });
          if (!current) throw new SluiceError('not-found', `There is no VEE ${veeId}.`);
          if (current.lastCommit === key) return plain(current);
          const written = await ledger.findOne({ veeId, operationId, step }, { session });
          if (written) return plain(current);
          if (current.state === 'DESTROYED' && kind === 'destroyed') return plain(current);
          // Its own lock, or its own commit taken back. A destruction needs neither: the service's entity lets
          // nothing run beside it, so a lock that is left belongs to an operation that was given up.
          const mine =
            current.transition?.operationId === operationId ||
            (current.transition === null && current.lastCommit?.startsWith(`${operationId}/`));
          if (current.state === 'DESTROYED' || (!mine && kind !== 'destroyed'))
            throw new SluiceError('conflict', `${veeId} is not held by ${operationId}.`);
          if (change.epoch !== undefined && change.epoch < current.epoch)
            throw new SluiceError('epoch-fenced', `${veeId} is at epoch ${current.epoch} already.`);

          const at = Math.max(now, current.ledgerAt);
          const template = change.capacity
            ? { ...current.template, capacity: change.capacity }
            : current.template;
          const next = {
            state: change.state ?? current.state,
            hostId: change.hostId ?? current.hostId,
            epoch: change.epoch ?? current.epoch,
            template,
          };
          // A VEE that was never activated has nothing to close.
          const metered = kind !== 'destroyed' || current.ledgerSeq > 0;
          if (metered) {
            const event: Stored<LedgerEvent> = {
              _id: `${veeId}/${current.ledgerSeq}`,
              veeId,
              seq: current.ledgerSeq,
              kind,
              at,
              tenantId: current.tenantId,
              serviceId: current.serviceId,
              component: current.component,
              index: current.index,
              hostId: next.hostId,
              state: next.state,
              capacity: template.capacity,
              operationId,
              step,
            };
            await ledger.insertOne(event, { session });
          }
          const updated = await vees.findOneAndUpdate(
            { _id: veeId },
            {
              $set: {
                ...next,
                transition: null,
                updatedAt: now,
                lastCommit: key,
                ...(metered ? { ledgerAt: at } : {}),
              },
              $inc: { generation: 1, ledgerSeq: metered ? 1 : 0 },
            },
            { session, returnDocument: 'after' },
          );
          if (!updated) throw new SluiceError('conflict', `${veeId} vanished during a commit.`);
          return plain(updated);
        }),
      );
    },

    /** VEEs that an operation has moved, as they are now. */
    async movedBy(operationId: OperationId): Promise<VeeRecord[]> {
      const ids = await ledger.distinct('veeId', { operationId, kind: 'moved' });
      return (await vees.find({ _id: { $in: ids as string[] } }).toArray()).map(plain);
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

export function illegalTransition(vee: VeeRecord, verb: VeeVerb): SluiceError {
  const legal = requestableVerbs(vee.state);
  return new SluiceError(
    'transition-illegal',
    `${vee.id} is ${vee.state}: ${verb} is not possible. Legal: ${legal.join(', ') || 'none'}.`,
    { members: { state: vee.state, legal } },
  );
}

function queryOf({ living, ...filter }: VeeFilter & { living?: boolean }): Filter<StoredVee> {
  const set = Object.entries(filter).filter(([, value]) => value !== undefined);
  return {
    ...Object.fromEntries(set),
    ...(living ? { state: { $ne: 'DESTROYED' } } : {}),
  } as Filter<StoredVee>;
}

export type VeeRepository = ReturnType<typeof veeRepository>;
