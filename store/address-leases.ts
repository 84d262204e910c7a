import type { Db, Filter } from 'mongodb';
import { SluiceError } from '../domain/errors';
import type { NetworkId, ServiceId, TenantId, VeeId } from '../domain/ids';
import { type Block, lowestFree } from '../domain/network/blocks';
import { type AddressLease, COOL_DOWN_MILLIS, leaseIdOf, macOf } from '../domain/network/model';
import { isDuplicateKey } from './connect';
import { fromStored, type Stored, toStored } from './documents';

/** Who is to have an address. */
export interface Taker {
  readonly veeId: VeeId;
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly component: string;
}

/** Of those who take addresses of one network at once each round lets at least one have them. */
const MOST_ROUNDS = 200;

/**
 * Addresses of VEEs. That none is given twice is the database's to see to: of those who want the same one at once its unique
 * indexes let one have it, and the others look again. One that is given back stays as it was for a while, so that no other has it.
 */
export function addressLeaseRepository(db: Db) {
  const leases = db.collection<Stored<AddressLease>>('networkLeases');
  const told = (docs: readonly Stored<AddressLease>[]) => docs.map((d) => fromStored<AddressLease>(d));

  /** Makes room by what was given back longest ago, though that is not long. */
  async function forgetOne(networkId: NetworkId, { from, to }: Range): Promise<boolean> {
    const filter = { networkId, held: false, offset: { $gte: from, $lt: to } } as Filter<
      Stored<AddressLease>
    >;
    return (await leases.findOneAndDelete(filter, { sort: { releasedAt: 1 } })) !== null;
  }

  return {
    /**
     * Each of these has an address in the range then: the one that it had, or the lowest free. Repeating it changes nothing.
     * @throws SluiceError `network-full`
     */
    async take(
      network: { readonly id: NetworkId; readonly name: string },
      range: Range,
      takers: readonly Taker[],
      now: number,
    ): Promise<Map<VeeId, AddressLease>> {
      const { id: networkId } = network;
      const ids = takers.map((t) => leaseIdOf(networkId, t.veeId));
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const releasedAt = { $lte: now - COOL_DOWN_MILLIS };
        await leases.deleteMany({ networkId, held: false, releasedAt, _id: { $nin: ids } });
        // What this very VEE gave back is nobody else's yet.
        await leases.updateMany(
          { _id: { $in: ids }, held: false },
          { $set: { held: true, since: now }, $unset: { releasedAt: '' } },
        );
        const own = told(await leases.find({ _id: { $in: ids } }).toArray());
        const missing = takers.filter((t) => !own.some((l) => l.veeId === t.veeId));
        if (missing.length === 0) return new Map(own.map((l) => [l.veeId, l]));
        const others = await leases.find({ networkId }, { projection: { offset: 1 } }).toArray();
        const free = lowestFree(range, new Set(others.map((l) => l.offset)), missing.length);
        if (free.length < missing.length) {
          if (await forgetOne(networkId, range)) continue;
          throw new SluiceError(
            'network-full',
            `Network ${network.name} has ${range.to - range.from} addresses for ${missing[0]?.component}, and all are in use.`,
          );
        }
        const wanted = missing.map(
          (taker, i): AddressLease => ({
            ...{ id: leaseIdOf(networkId, taker.veeId), networkId, ...taker, offset: free[i] ?? range.from },
            ...{ mac: macOf(networkId, taker.veeId, round), held: true, since: now },
          }),
        );
        try {
          await leases.insertMany(wanted.map(toStored), { ordered: false });
        } catch (error) {
          if (!isDuplicateKey(error)) throw error;
        }
      }
      throw new SluiceError('unavailable', `Others kept taking the addresses of network ${network.name}.`);
    },

    /** What these have is given back; once, however often that is asked. */
    async release(veeIds: readonly VeeId[], now: number): Promise<void> {
      if (veeIds.length === 0) return;
      await leases.updateMany(
        { veeId: { $in: [...veeIds] }, held: true },
        { $set: { held: false, releasedAt: now } },
      );
    },

    async held(
      filter: { readonly networkId?: NetworkId; readonly veeId?: VeeId; readonly tenantId?: TenantId } = {},
    ): Promise<AddressLease[]> {
      return told(
        await leases
          .find({ ...filter, held: true })
          .sort({ networkId: 1, offset: 1 })
          .toArray(),
      );
    },

    /** What is held on these networks. */
    async heldOn(networkIds: readonly NetworkId[]): Promise<AddressLease[]> {
      const filter = { networkId: { $in: [...networkIds] }, held: true };
      return told(await leases.find(filter).sort({ networkId: 1, offset: 1 }).toArray());
    },

    async countHeld(networkId: NetworkId): Promise<number> {
      return leases.countDocuments({ networkId, held: true });
    },

    /** Components that have addresses on a network, also such as only rest. */
    async componentsOn(networkId: NetworkId): Promise<string[]> {
      return leases.distinct('component', { networkId });
    },

    /** How many addresses of each of these networks are in use. */
    async counts(networkIds: readonly NetworkId[]): Promise<Map<NetworkId, number>> {
      const groups = await leases
        .aggregate<{ _id: NetworkId; n: number }>([
          { $match: { networkId: { $in: [...networkIds] }, held: true } },
          { $group: { _id: '$networkId', n: { $sum: 1 } } },
        ])
        .toArray();
      return new Map(groups.map((g) => [g._id, g.n]));
    },

    /** Of a network that is no more. What is held stays, and is found by whoever looks for what does not belong. */
    async forget(networkId: NetworkId): Promise<void> {
      await leases.deleteMany({ networkId, held: false });
    },
  };
}

type Range = Pick<Block, 'from' | 'to'>;
export type AddressLeaseRepository = ReturnType<typeof addressLeaseRepository>;
