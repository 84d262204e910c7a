import type { Db } from 'mongodb';
import type { BlueprintId, HostId, OperationId, ServiceId, TenantId, VeeId } from '../domain/ids';
import {
  type CompactVerdicts,
  compactVerdicts,
  expandVerdicts,
  type Judged,
} from '../domain/placement/compact';
import type { Assignment, Blueprint, HostVerdict, Infeasible } from '../domain/placement/model';
import { isDuplicateKey } from './connect';
import { findPage, fromStored, type PageRequest, type Stored, toStored } from './documents';

/** A plan that found no room, kept so that its reasons can be read later. */
export interface RefusedPlan extends Infeasible {
  readonly id: BlueprintId;
  readonly operationId: OperationId;
  readonly createdAt: number;
}

type Plan = Blueprint | RefusedPlan;

/** As stored: the verdicts beside what they are about, in little room. Plans of earlier releases have them inside. */
type StoredPlan = Stored<Plan> & { readonly verdicts?: CompactVerdicts };

export function blueprintRepository(db: Db) {
  const blueprints = db.collection<StoredPlan>('blueprints');
  return {
    /** The first plan under an id stays: a repeated planning step must not change what others act on. */
    async put<T extends Plan>(plan: T): Promise<T> {
      const { _id, ...rest } = toStored<Plan>(withoutVerdicts(plan));
      const verdicts = compactVerdicts(judgedIn(plan));
      const doc = await blueprints.findOneAndUpdate(
        { _id },
        { $setOnInsert: { ...rest, verdicts } as never },
        { upsert: true, returnDocument: 'before', projection: { _id: 1 } },
      );
      return doc === null ? plan : (((await this.get(plan.id)) ?? plan) as T);
    },
    async get(id: BlueprintId): Promise<Plan | undefined> {
      const doc = await blueprints.findOne({ _id: id });
      return doc ? fromDocument(doc) : undefined;
    },

    /** The first plans of an operation, in order. */
    async ofOperation(operationId: OperationId): Promise<Plan[]> {
      const docs = blueprints.find({ operationId } as never).sort({ createdAt: 1, _id: 1 });
      return (await docs.limit(MOST_PLANS_TOLD).toArray()).map(fromDocument);
    },

    /** Of each VEE the last decision that put it where it is; each plan is read once, however many VEEs it is about. */
    async lastPlacings(
      vees: readonly { readonly id: VeeId; readonly hostId: HostId }[],
      withVerdicts: boolean,
    ): Promise<Map<VeeId, Assignment>> {
      const wanted = new Map(vees.map((v) => [v.id, v.hostId]));
      const found = new Map<VeeId, Assignment>();
      const about = { 'assignments.veeId': { $in: [...wanted.keys()] } };
      const plans = blueprints
        .find(about as never, withVerdicts ? {} : { projection: { verdicts: 0 } })
        .sort({ createdAt: -1 });
      for await (const doc of plans) {
        const plan = fromDocument(doc as StoredPlan);
        for (const a of plan.kind === 'blueprint' ? plan.assignments : [])
          if (wanted.get(a.veeId) === a.hostId && !found.has(a.veeId)) found.set(a.veeId, a);
        if (found.size === wanted.size) break;
      }
      return found;
    },

    /** The last plan that put a VEE on a host. */
    async thatPut(veeId: VeeId, hostId: HostId): Promise<Blueprint | undefined> {
      const docs = blueprints.find({ assignments: { $elemMatch: { veeId, hostId } } } as never);
      const [doc] = await docs.sort({ createdAt: -1 }).limit(1).toArray();
      const plan = doc && fromDocument(doc);
      return plan?.kind === 'blueprint' ? plan : undefined;
    },
  };
}

/** Re-compositions make one for each wave. */
const MOST_PLANS_TOLD = 50;

function fromDocument(doc: StoredPlan): Plan {
  const { verdicts, ...rest } = doc;
  const plan = fromStored<Plan>(rest as Stored<Plan>);
  return verdicts ? withVerdicts(plan, expandVerdicts(verdicts)) : plan;
}

function judgedIn(plan: Plan): Judged[] {
  return plan.kind === 'blueprint'
    ? plan.assignments.map(({ component, verdicts }) => ({ component, verdicts }))
    : plan.unplaced.map(({ component, hosts }) => ({ component, verdicts: hosts }));
}

const withoutVerdicts = (plan: Plan): Plan => withVerdicts(plan, []);

function withVerdicts(plan: Plan, lists: readonly (readonly HostVerdict[])[]): Plan {
  return plan.kind === 'blueprint'
    ? { ...plan, assignments: plan.assignments.map((a, i) => ({ ...a, verdicts: lists[i] ?? [] })) }
    : { ...plan, unplaced: plan.unplaced.map((u, i) => ({ ...u, hosts: lists[i] ?? [] })) };
}

/** What happened, for people: phases, VEE changes, hosts lost and found. Append-only. */
export interface EventRecord {
  /** Idempotency key. */
  readonly id: string;
  readonly at: number;
  readonly kind: string;
  readonly message: string;
  /** What its tenant is told in place of that, where it names hosts. */
  readonly toTenant?: string;
  readonly tenantId?: TenantId;
  readonly serviceId?: ServiceId;
  readonly subject: string;
  readonly operationId?: OperationId;
  /** Somebody has to look at it. */
  readonly alert?: true;
}

export function eventRepository(db: Db) {
  const events = db.collection<Stored<EventRecord>>('events');
  return {
    async append(event: EventRecord): Promise<void> {
      const { _id, ...rest } = toStored(event);
      await events.updateOne({ _id }, { $setOnInsert: rest }, { upsert: true });
    },
    async appendAll(all: readonly EventRecord[]): Promise<void> {
      if (all.length === 0) return;
      await events.bulkWrite(
        all.map((event) => {
          const { _id, ...rest } = toStored(event);
          return { updateOne: { filter: { _id }, update: { $setOnInsert: rest }, upsert: true } };
        }),
        { ordered: false },
      );
    },
    page(
      filter: {
        tenantId?: TenantId | undefined;
        serviceId?: ServiceId | undefined;
        subject?: string | undefined;
        alert?: true | undefined;
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
