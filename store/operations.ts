import type { Db } from 'mongodb';
import type { ErrorSummary } from '../domain/errors';
import type { HostId, OperationId, ServiceId, TenantId, VeeId } from '../domain/ids';
import type {
  OperationKind,
  OperationProgress,
  OperationRecord,
  OperationState,
} from '../domain/operation/operation';
import { isDuplicateKey } from './connect';
import { findPage, fromStored, type PageRequest, type Stored, toStored } from './documents';

export interface OperationFilter {
  readonly tenantId?: TenantId | undefined;
  readonly serviceId?: ServiceId | undefined;
  readonly hostId?: HostId | undefined;
  readonly parentId?: OperationId | undefined;
  readonly veeId?: VeeId | undefined;
  readonly kind?: OperationKind | undefined;
  readonly state?: OperationState | undefined;
}

export interface ProgressReport {
  readonly operationId: OperationId;
  readonly revision: number;
  readonly progress: OperationProgress;
  readonly startedAt: number;
  readonly endedAt?: number;
}

export function operationRepository(db: Db) {
  const operations = db.collection<Stored<OperationRecord>>('operations');

  return {
    async get(id: OperationId): Promise<OperationRecord | undefined> {
      const doc = await operations.findOne({ _id: id });
      return doc ? fromStored<OperationRecord>(doc) : undefined;
    },

    page(filter: OperationFilter, request: PageRequest) {
      const set = Object.fromEntries(Object.entries(filter).filter(([, v]) => v !== undefined));
      return findPage<OperationRecord>(operations, set, 'createdAt', request);
    },

    async all(): Promise<OperationRecord[]> {
      return (await operations.find().toArray()).map((d) => fromStored<OperationRecord>(d));
    },

    /** Those that these have asked for as parts of themselves. */
    async childrenOf(parentIds: readonly OperationId[]): Promise<OperationRecord[]> {
      const docs = await operations.find({ parentId: { $in: [...parentIds] } }).toArray();
      return docs.map((d) => fromStored<OperationRecord>(d));
    },

    async underWay(): Promise<OperationRecord[]> {
      const docs = await operations.find({ endedAt: { $exists: false } }).toArray();
      return docs.map((d) => fromStored<OperationRecord>(d));
    },

    /** Recorded, and perhaps never handed to Temporal: a process died between the two. */
    async pendingSince(before: number): Promise<OperationRecord[]> {
      const docs = await operations.find({ state: 'pending', createdAt: { $lte: before } }).toArray();
      return docs.map((d) => fromStored<OperationRecord>(d));
    },

    /** @returns the record under that id: the given one, or the one that was there before */
    async create(record: OperationRecord): Promise<OperationRecord> {
      try {
        await operations.insertOne(toStored(record));
        return record;
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        return (await this.get(record.id)) ?? record;
      }
    },

    /** Removes a request that was refused before it began: it had no effect, so it is not an operation. */
    async forget(id: OperationId): Promise<void> {
      await operations.deleteOne({ _id: id, state: 'pending' });
    },

    /** It waits for others to end; its entity keeps it, so nobody need hand it over again. */
    async queue(id: OperationId, behind: readonly OperationId[]): Promise<void> {
      await operations.updateOne({ _id: id, state: 'pending' }, { $set: { state: 'queued', behind } });
    },

    /** Ends a request that never began: it was impossible, or nobody wants it any more. It had no effect. */
    async refuse(id: OperationId, error: ErrorSummary, now: number): Promise<void> {
      await operations.updateOne(
        { _id: id, state: { $in: ['pending', 'queued'] } },
        { $set: { state: 'undone', error, endedAt: now, cancellable: false } },
      );
    },

    /** Older reports never overwrite newer ones. */
    async report({ operationId, revision, progress, startedAt, endedAt }: ProgressReport): Promise<void> {
      const { stuck, notes, error, ...rest } = progress;
      const gone = { ...(stuck ? {} : { stuck: '' }), ...(notes ? {} : { notes: '' }) };
      const passing = endedAt === undefined && (progress.state === 'running' || progress.state === 'undoing');
      await operations.updateOne(
        { _id: operationId, revision: { $lt: revision } },
        {
          $set: {
            ...rest,
            revision,
            startedAt,
            ...(endedAt === undefined ? {} : { endedAt }),
            ...(stuck ? { stuck } : {}),
            ...(notes ? { notes } : {}),
            ...(error ? { error } : {}),
          },
          ...(Object.keys(gone).length > 0 ? { $unset: gone as never } : {}),
        },
        // What a crash takes of the progress the next report brings back; what may be the last word has to last.
        passing ? { writeConcern: { w: 1, j: false } } : {},
      );
    },
  };
}
