import type { Db, Filter } from 'mongodb';
import type { HostId, OperationId, VeeId } from '../domain/ids';
import type { DriftFinding, KnownFinding } from '../domain/reconcile/model';
import { findPage, fromStored, type PageRequest, type Stored, toStored } from './documents';

/** A finding as it was last seen, with its past. */
export interface DriftRecord extends DriftFinding, KnownFinding {
  readonly veeId: VeeId;
  readonly hostId: HostId;
  readonly lastSeenAt: number;
  /** The same as `mendedAt`, in the form that lets MongoDB remove it in the end. */
  readonly mendedOn?: Date;
}

export interface DriftFilter {
  readonly open?: boolean | undefined;
  readonly kind?: string | undefined;
  readonly hostId?: string | undefined;
}

/** What looks for drift have found: so the next look knows since when, and how often something was done about it. */
export function driftRepository(db: Db) {
  const drift = db.collection<Stored<DriftRecord>>('drift');

  return {
    async known(): Promise<KnownFinding[]> {
      return (await drift.find().toArray()).map((d) => fromStored<DriftRecord>(d));
    },

    page({ open, kind, hostId }: DriftFilter, request: PageRequest) {
      const filter = {
        ...(open ? { mendedAt: { $exists: false } } : {}),
        ...(kind ? { kind } : {}),
        ...(hostId ? { hostId } : {}),
      } as Filter<Stored<DriftRecord>>;
      return findPage<DriftRecord>(drift, filter, 'firstSeenAt', request);
    },

    async get(id: string): Promise<DriftRecord | undefined> {
      const doc = await drift.findOne({ _id: id });
      return doc ? fromStored<DriftRecord>(doc) : undefined;
    },

    /** Notes that it is there. @returns since when: one that was over begins anew */
    async see(finding: DriftFinding, seenInReportOf: number, now: number): Promise<number> {
      const { _id, ...facts } = toStored(finding);
      await drift.updateOne(
        { _id, mendedAt: { $exists: true } },
        { $set: { firstSeenAt: now }, $unset: { mendedAt: '', mendedOn: '' } },
      );
      // What a finding no longer says must not stay from the time when it did.
      const gone = (['endAtEpoch', 'recurs', 'reported', 'recorded'] as const).filter((k) => !(k in facts));
      const doc = await drift.findOneAndUpdate(
        { _id },
        {
          $set: { ...facts, lastSeenAt: now, seenInReportOf },
          $setOnInsert: { firstSeenAt: now, attempts: [] },
          ...(gone.length > 0 ? { $unset: Object.fromEntries(gone.map((k) => [k, ''])) } : {}),
        },
        { upsert: true, returnDocument: 'after' },
      );
      return doc?.firstSeenAt ?? now;
    },

    /** Notes what is asked for because of it; once for each operation that asks. */
    async attempt(id: string, operationId: OperationId, at: number, since: number): Promise<void> {
      await drift.updateOne(
        { _id: id, 'attempts.operationId': { $ne: operationId } },
        { $push: { attempts: { operationId, at } } },
      );
      await drift.updateOne({ _id: id }, { $pull: { attempts: { at: { $lte: since } } } });
    },

    /** @returns it as it was, when it was not over before */
    async mended(id: string, now: number): Promise<DriftRecord | undefined> {
      const doc = await drift.findOneAndUpdate(
        { _id: id, mendedAt: { $exists: false } },
        { $set: { mendedAt: now, mendedOn: new Date(now) } },
      );
      return doc ? fromStored<DriftRecord>(doc) : undefined;
    },
  };
}
