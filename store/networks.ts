import type { Db, Filter } from 'mongodb';
import { SluiceError } from '../domain/errors';
import type { NetworkId, ServiceId, TenantId } from '../domain/ids';
import { type BlockNeed, type BlockPlan, layOutBlocks } from '../domain/network/blocks';
import {
  DEFAULT_MTU,
  MOST_VNI,
  type NetworkRecord,
  type ServiceNetwork,
  type SiteNetwork,
  subnetsOf,
} from '../domain/network/model';
import { type PoolPart, partOfPool } from '../domain/network/pool';
import { endOf } from '../domain/network/subnet';
import type { AddressLeaseRepository } from './address-leases';
import { isDuplicateKey } from './connect';
import { findPage, fromStored, type PageRequest, type Stored, toStored } from './documents';

/** What is kept beside the record: of the pool's parts and of the names of the site's networks each is one network's. */
type StoredNetwork = Stored<NetworkRecord> & { units?: readonly number[]; siteName?: string };

export interface WantedNetwork
  extends Pick<ServiceNetwork, 'id' | 'name' | 'tenantId' | 'serviceId' | 'ipv4' | 'ipv6'> {
  readonly needs: readonly BlockNeed[];
}

const MOST_ROUNDS = 50;

export function networkRepository(db: Db, leases: AddressLeaseRepository) {
  const networks = db.collection<StoredNetwork>('networks');
  const counters = db.collection<{ _id: string; value: number }>('counters');

  const plain = ({ units: _units, siteName: _name, ...doc }: StoredNetwork): NetworkRecord =>
    fromStored<NetworkRecord>(doc as Stored<NetworkRecord>);

  /** Another for each that is made, until all have been used: a host may still know what had one before. */
  async function nextVni(): Promise<number> {
    const doc = await counters.findOneAndUpdate(
      { _id: 'vni' },
      { $inc: { value: 1 } },
      { upsert: true, returnDocument: 'after' },
    );
    return 1 + (((doc?.value ?? 1) - 1) % MOST_VNI);
  }

  async function unitsTaken(): Promise<Set<number>> {
    const docs = await networks.find({ units: { $exists: true } }, { projection: { units: 1 } }).toArray();
    return new Set(docs.flatMap((d) => d.units ?? []));
  }

  async function partFor({ name, needs }: WantedNetwork, pool: string): Promise<PoolPart> {
    const part = partOfPool(pool, await unitsTaken(), needs);
    if (part) return part;
    throw new SluiceError('network-full', `The site's pool ${pool} has no subnet left for network ${name}.`);
  }

  return {
    async get(id: NetworkId): Promise<NetworkRecord | undefined> {
      const doc = await networks.findOne({ _id: id });
      return doc ? plain(doc) : undefined;
    },

    async all(): Promise<NetworkRecord[]> {
      return (await networks.find().sort({ _id: 1 }).toArray()).map(plain);
    },

    /** Those that have any. */
    async services(): Promise<ServiceId[]> {
      return networks.distinct('serviceId' as never) as Promise<ServiceId[]>;
    },

    async siteNetworks(): Promise<SiteNetwork[]> {
      const docs = await networks.find({ kind: 'site' }).sort({ siteName: 1 }).toArray();
      return docs.map((d) => plain(d) as SiteNetwork);
    },

    /** @param tenantId only its own, and those of the site that are shared with it */
    async page({ tenantId }: { readonly tenantId?: TenantId }, request: PageRequest) {
      const filter =
        tenantId === undefined
          ? {}
          : {
              $or: [
                { kind: 'service', tenantId },
                { kind: 'site', sharedWith: { $in: [null, tenantId] } },
              ],
            };
      const page = await findPage<NetworkRecord>(networks as never, filter as never, 'createdAt', request);
      return { ...page, items: page.items.map((n) => plain(toStored(n) as StoredNetwork)) };
    },

    /**
     * The network of a service, with a block of addresses for each component that is on it: as it is, or made, or with what
     * was missing.
     * @param pool where its subnet is taken from if it names none
     * @throws SluiceError `network-full`
     */
    async ensure(wanted: WantedNetwork, pool: string, now: number): Promise<ServiceNetwork> {
      const { needs, ...facts } = wanted;
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const known = (await this.get(wanted.id)) as ServiceNetwork | undefined;
        if (known) {
          const blocks = blocksOf(known, layOutBlocks(endOf(subnetsOf(known)), known.blocks, needs));
          if (blocks.length === known.blocks.length) return known;
          const { generation } = known;
          const result = await networks.updateOne({ _id: wanted.id, generation }, {
            $set: { blocks },
            $inc: { generation: 1 },
          } as never);
          if (result.modifiedCount === 1) return { ...known, blocks, generation: generation + 1 };
          continue;
        }
        const part = facts.ipv4 || facts.ipv6 ? undefined : await partFor(wanted, pool);
        const subnets = part ? { ...facts, ipv4: part.ipv4 } : facts;
        const blocks = blocksOf(wanted, layOutBlocks(endOf(subnetsOf(subnets)), [], needs));
        const vni = await nextVni();
        const record: ServiceNetwork = {
          ...{ kind: 'service', ...subnets, vni, mtu: DEFAULT_MTU, blocks, createdAt: now, generation: 1 },
        };
        try {
          await networks.insertOne({ ...toStored(record), ...(part ? { units: part.units } : {}) } as never);
          return record;
        } catch (error) {
          if (!isDuplicateKey(error)) throw error;
        }
      }
      throw new SluiceError('unavailable', `Others kept changing network ${wanted.name}.`);
    },

    /**
     * @param network with a VNI where it has to be a certain one
     * @returns the one that was made, by this request or by the same one before
     * @throws SluiceError `already-exists`
     */
    async create(network: Omit<SiteNetwork, 'vni'> & { readonly vni?: number }): Promise<SiteNetwork> {
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const record: SiteNetwork = { ...network, vni: network.vni ?? (await nextVni()) };
        try {
          await networks.insertOne({ ...toStored(record), siteName: record.name } as never);
          return record;
        } catch (error) {
          if (!isDuplicateKey(error)) throw error;
          const same = await this.get(network.id);
          if (same?.kind === 'site') return same;
          if (await networks.findOne({ siteName: network.name }))
            throw new SluiceError('already-exists', `The site has a network "${network.name}" already.`);
          if (network.vni !== undefined)
            throw new SluiceError('already-exists', `Another network has the VNI ${network.vni}.`, {
              pointer: '/vni',
            });
        }
      }
      throw new SluiceError('unavailable', 'Others kept taking the network identifiers.');
    },

    /**
     * From the moment when it is closing nothing new comes onto it, and whoever came just before is seen.
     * @returns how many VEEs keep it from being removed
     */
    async remove(id: NetworkId): Promise<number> {
      await networks.updateOne({ _id: id, kind: 'site' }, { $set: { closing: true } } as never);
      const used = await leases.countHeld(id);
      if (used > 0) {
        await networks.updateOne({ _id: id }, { $unset: { closing: '' } } as never);
        return used;
      }
      await networks.deleteOne({ _id: id });
      await leases.forget(id);
      return 0;
    },

    /** Those that went with a service; one on which an address is held stays until that is given back. */
    async removeOf(serviceId: ServiceId): Promise<void> {
      const docs = await networks
        .find({ kind: 'service', serviceId } as Filter<StoredNetwork>, { projection: { _id: 1 } })
        .toArray();
      for (const { _id } of docs) {
        const id = _id as NetworkId;
        if ((await leases.countHeld(id)) > 0) continue;
        await networks.deleteOne({ _id: id });
        await leases.forget(id);
      }
    },
  };
}

function blocksOf({ name }: Pick<NetworkRecord, 'name'>, plan: BlockPlan) {
  if (plan.kind === 'laid-out') return plan.blocks;
  const { component, need } = plan;
  throw new SluiceError(
    'network-full',
    plan.kind === 'grown'
      ? `Network ${name} has ${plan.has} addresses for ${component}, which neighbours know as its own, and ${need} may be needed now.`
      : `Network ${name} has no ${need} addresses left for ${component}.`,
  );
}
