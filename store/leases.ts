import type { Db, Document, Filter, MongoClient } from 'mongodb';
import { SluiceError } from '../domain/errors';
import type { HostRecord } from '../domain/host';
import type { LeaseId, TenantId } from '../domain/ids';
import { type Lease, type LeasePlan, promiseOn } from '../domain/leases/model';
import { isDuplicateKey } from './connect';
import { findPage, fromStored, type PageRequest, type Stored, toStored } from './documents';
import { promising } from './host-promises';
import type { HostRepository } from './hosts';

/** The promises that were made to tenants; what of them is where, hosts know as well. */
export function leaseRepository(client: MongoClient, db: Db) {
  const leases = db.collection<Stored<Lease>>('leases');
  const hosts = db.collection<Stored<HostRecord>>('hosts');
  const told = (docs: readonly Stored<Lease>[]) => docs.map((d) => fromStored<Lease>(d));

  return {
    async get(id: LeaseId): Promise<Lease | undefined> {
      const doc = await leases.findOne({ _id: id });
      return doc ? fromStored<Lease>(doc) : undefined;
    },

    /** Those that are neither cancelled nor noted to be over, also such as are only being made. */
    living: async (): Promise<Lease[]> => told(await leases.find({ live: true }).sort({ from: 1 }).toArray()),

    all: async (): Promise<Lease[]> => told(await leases.find().toArray()),

    /** The latest of that name. */
    async named(tenantId: TenantId, name: string): Promise<Lease | undefined> {
      const [doc] = await leases
        .find({ tenantId, name, confirmed: true })
        .sort({ live: -1, createdAt: -1 })
        .limit(1)
        .toArray();
      return doc ? fromStored<Lease>(doc) : undefined;
    },

    page(filter: { tenantId?: TenantId; live?: boolean; name?: string }, request: PageRequest) {
      return findPage<Lease>(leases, { ...filter, confirmed: true } as never, 'createdAt', request);
    },

    /**
     * Begins to make one, or goes on with it under another attempt. Of a name that is taken by one that is over nothing is
     * left to be taken.
     * @throws SluiceError `already-exists`
     */
    async begin(lease: Lease, now: number): Promise<Lease> {
      const { tenantId, name } = lease;
      await leases.updateMany(
        { tenantId, name, live: true, until: { $lte: now } },
        { $set: { live: false }, $inc: { generation: 1 } },
      );
      try {
        await leases.insertOne(toStored(lease));
        return lease;
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        const { id, attempt, from, until, places, createdAt } = lease;
        await leases.updateOne(
          { _id: id, confirmed: false },
          { $set: { attempt: attempt ?? null, from, until, places, createdAt } as never },
        );
        const same = await this.get(id);
        if (same) return same.confirmed ? same : lease;
        throw new SluiceError('already-exists', `${tenantId} has a reservation "${name}" already.`);
      }
    },

    /** @returns false when somebody took it for given up meanwhile, or makes it under another attempt */
    async confirm(lease: Attempt, plan: Pick<Lease, 'from' | 'until' | 'places'>): Promise<boolean> {
      const result = await leases.updateOne(
        { ...attemptOf(lease), live: true },
        { $set: { ...plan, confirmed: true }, $inc: { generation: 1 } },
      );
      return result.matchedCount === 1;
    },

    /** Notes where its places are now, unless it has changed since. */
    async setPlaces({ id, generation }: Lease, places: Lease['places']): Promise<boolean> {
      const result = await leases.updateOne(
        { _id: id, live: true, generation },
        { $set: { places }, $inc: { generation: 1 } },
      );
      return result.modifiedCount === 1;
    },

    /**
     * Gives one another time, and other places: in one transaction, as it must have all of what it has now until it has all of
     * that.
     * @param others tenants whose VEEs must not be on the same host
     * @returns false when a host has no room any more, or the lease has changed since
     */
    moveInTime(lease: Lease, plan: LeasePlan, now: number, others: readonly TenantId[]): Promise<boolean> {
      const { from, until, places } = plan;
      const then: Lease = { ...lease, from, until, places };
      const writes = places.map(({ hostId, count }) => ({
        updateOne: promising(hostId, promiseOn(then, count), now, others),
      }));
      const known = { _id: lease.id, live: true, confirmed: true, generation: lease.generation };
      const promised = `promises.${lease.id}`;
      const left = { _id: { $nin: places.map((p) => p.hostId) }, [promised]: { $exists: true } } as Document;
      return client.withSession((session) =>
        session.withTransaction(async () => {
          const change = { $set: { from, until, places }, $inc: { generation: 1 } };
          const { matchedCount: noted } = await leases.updateOne(known, change, { session });
          const made = noted === 1 ? (await hosts.bulkWrite(writes, { session })).matchedCount : 0;
          if (made === places.length)
            await hosts.updateMany(left, { $unset: { [promised]: '' } }, { session });
          else await session.abortTransaction();
          return made === places.length;
        }),
      );
    },

    /** That is told: whoever changes the lease need not have seen it. */
    async noteBegun(id: LeaseId, now: number): Promise<void> {
      await leases.updateOne({ _id: id }, { $set: { begunAt: now } });
    },

    /** @returns whether that is news: what there is room for elsewhere is noted, and no more than that */
    async setRisk(
      id: LeaseId,
      risk: Omit<NonNullable<Lease['risk']>, 'since'> | undefined,
      now: number,
    ): Promise<boolean> {
      const since = { $ifNull: ['$risk.since', now] };
      const before = await leases.findOneAndUpdate(
        {
          _id: id,
          live: true,
          ...(risk === undefined ? { risk: { $ne: null } } : { 'risk.because': { $ne: risk.because } }),
        } as Filter<Stored<Lease>>,
        [
          {
            $set: {
              risk: risk === undefined ? null : { $mergeObjects: [{ $literal: risk }, { since }] },
              generation: { $add: ['$generation', 1] },
            },
          },
        ],
      );
      return before !== null && (before.risk?.doubts ?? before.risk?.because) !== risk?.doubts;
    },

    /** @param cancelledAt unless its time is over @returns false when it was not living any more */
    async end(id: LeaseId, cancelledAt?: number): Promise<boolean> {
      const result = await leases.updateOne(
        { _id: id, live: true },
        {
          $set: { live: false, risk: null, ...(cancelledAt === undefined ? {} : { cancelledAt }) },
          $inc: { generation: 1 },
        },
      );
      return result.modifiedCount === 1;
    },

    /** One that could not be made never was. @returns false when it was, or is made under another attempt */
    async forget(lease: Attempt): Promise<boolean> {
      return (await leases.deleteOne(attemptOf(lease))).deletedCount === 1;
    },
  };
}

type Attempt = Pick<Lease, 'id' | 'attempt'>;

/** One that is being made, and nobody else is making since. */
const attemptOf = ({ id, attempt }: Attempt): Filter<Stored<Lease>> =>
  ({ _id: id, confirmed: false, attempt: attempt ?? null }) as Filter<Stored<Lease>>;

/** Makes the promises of a lease on each of its hosts. @returns false when one of them had no room any more */
export async function promiseEverywhere(
  hosts: Pick<HostRepository, 'promise'>,
  lease: Lease,
  now: number,
  others: readonly TenantId[],
): Promise<boolean> {
  for (const { hostId, count } of lease.places)
    if (!(await hosts.promise(hostId, promiseOn(lease, count), now, others))) return false;
  return true;
}
