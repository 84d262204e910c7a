import type { Db } from 'mongodb';
import { SluiceError } from '../domain/errors';
import type { LeaseId, TenantId } from '../domain/ids';
import { type Lease, promiseOn } from '../domain/leases/model';
import { isDuplicateKey } from './connect';
import { findPage, fromStored, type PageRequest, type Stored, toStored } from './documents';
import type { HostRepository } from './hosts';

/** The promises that were made to tenants; what of them is where, hosts know as well. */
export function leaseRepository(db: Db) {
  const leases = db.collection<Stored<Lease>>('leases');
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
     * Begins to make one. Of a name that is taken by one that is over nothing is left to be taken.
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
        const same = await this.get(lease.id);
        if (same) return same;
        throw new SluiceError('already-exists', `${tenantId} has a reservation "${name}" already.`);
      }
    },

    /** @returns false when somebody took it for given up meanwhile */
    async confirm(id: LeaseId, plan: Pick<Lease, 'from' | 'until' | 'places'>): Promise<boolean> {
      const result = await leases.updateOne(
        { _id: id, live: true },
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

    /** @returns false when that was known already */
    async setRisk(id: LeaseId, because: string | undefined, now: number): Promise<boolean> {
      const result = await leases.updateOne(
        {
          _id: id,
          live: true,
          ...(because === undefined ? { risk: { $ne: null } } : { 'risk.because': { $ne: because } }),
        },
        { $set: { risk: because === undefined ? null : { since: now, because } }, $inc: { generation: 1 } },
      );
      return result.modifiedCount === 1;
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

    /** One that could not be made never was. */
    async forget(id: LeaseId): Promise<void> {
      await leases.deleteOne({ _id: id, confirmed: false });
    },
  };
}

/**
 * Makes the promises of a lease on each of its hosts, all or none.
 * @returns false when one of them had no room any more; what was promised elsewhere is taken back then
 */
export async function promiseEverywhere(
  hosts: Pick<HostRepository, 'promise' | 'withdraw'>,
  lease: Lease,
  now: number,
  others: readonly TenantId[],
): Promise<boolean> {
  for (const { hostId, count } of lease.places) {
    if (await hosts.promise(hostId, promiseOn(lease, count), now, others)) continue;
    await hosts.withdraw(lease.id);
    return false;
  }
  return true;
}
