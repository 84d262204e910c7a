import type { Db } from 'mongodb';
import type { BlueprintId, OperationId, ServiceId, TenantId } from '../domain/ids';
import type { Blueprint, Infeasible } from '../domain/placement/model';
import { isDuplicateKey } from './connect';
import { findPage, fromStored, type PageRequest, type Stored, toStored } from './documents';

/** A plan that found no room, kept so that its reasons can be read later. */
export interface RefusedPlan extends Infeasible {
  readonly id: BlueprintId;
  readonly operationId: OperationId;
  readonly createdAt: number;
}

export function blueprintRepository(db: Db) {
  const blueprints = db.collection<Stored<Blueprint | RefusedPlan>>('blueprints');
  return {
    /** The first plan under an id stays: a repeated planning step must not change what others act on. */
    async put<T extends Blueprint | RefusedPlan>(plan: T): Promise<T> {
      const { _id, ...rest } = toStored<Blueprint | RefusedPlan>(plan);
      const doc = await blueprints.findOneAndUpdate(
        { _id },
        { $setOnInsert: rest as never },
        { upsert: true, returnDocument: 'after' },
      );
      return (doc ? fromStored<Blueprint | RefusedPlan>(doc) : plan) as T;
    },
    async get(id: BlueprintId): Promise<Blueprint | RefusedPlan | undefined> {
      const doc = await blueprints.findOne({ _id: id });
      return doc ? fromStored<Blueprint | RefusedPlan>(doc) : undefined;
    },
  };
}

/** What happened, for people: phases, VEE changes, hosts lost and found. Append-only. */
export interface EventRecord {
  /** Idempotency key. */
  readonly id: string;
  readonly at: number;
  readonly kind: string;
  readonly message: string;
  readonly tenantId?: TenantId;
  readonly serviceId?: ServiceId;
  readonly subject: string;
  readonly operationId?: OperationId;
}

export function eventRepository(db: Db) {
  const events = db.collection<Stored<EventRecord>>('events');
  return {
    async append(event: EventRecord): Promise<void> {
      const { _id, ...rest } = toStored(event);
      await events.updateOne({ _id }, { $setOnInsert: rest }, { upsert: true });
    },
    page(
      filter: {
        tenantId?: TenantId | undefined;
        serviceId?: ServiceId | undefined;
        subject?: string | undefined;
      },
      request: PageRequest,
    ) {
      const set = Object.fromEntries(Object.entries(filter).filter(([, v]) => v !== undefined));
      return findPage<EventRecord>(events, set, 'at', request);
    },
  };
}

export interface IdempotencyRecord {
  /** Digest of who and the key. */
  readonly id: string;
  readonly requestDigest: string;
  readonly operationId: OperationId;
  readonly createdAt: Date;
  readonly answer?: {
    readonly status: number;
    readonly body: unknown;
    readonly headers: Readonly<Record<string, string>>;
  };
}

export function idempotencyRepository(db: Db) {
  const keys = db.collection<Stored<IdempotencyRecord>>('idempotencyKeys');
  return {
    /** @returns the record that holds the key: the given one, or an earlier request's */
    async claim(record: IdempotencyRecord): Promise<IdempotencyRecord> {
      try {
        await keys.insertOne(toStored(record));
        return record;
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        const doc = await keys.findOne({ _id: record.id });
        return doc ? fromStored<IdempotencyRecord>(doc) : record;
      }
    },
    /** The first answer stays. */
    async answer(id: string, answer: NonNullable<IdempotencyRecord['answer']>): Promise<void> {
      await keys.updateOne({ _id: id, answer: { $exists: false } }, { $set: { answer } });
    },
    async all(): Promise<{ key: string; answeredOperationId: string | undefined }[]> {
      const docs = await keys.find({}, { projection: { 'answer.status': 1, 'answer.body.id': 1 } }).toArray();
      return docs.map(({ _id, answer }) => {
        const id = answer?.status === 202 ? (answer.body as { id?: unknown } | null)?.id : undefined;
        return { key: _id, answeredOperationId: typeof id === 'string' ? id : undefined };
      });
    },
  };
}
