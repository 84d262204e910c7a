import type { Db, Filter } from 'mongodb';
import { SluiceError } from '../domain/errors';
import type { NetworkId, ServiceId, TenantId } from '../domain/ids';
import { addBlocks, type BlockNeed, type BlockPlan, claimedBlocks } from '../domain/network/blocks';
import {
  type Closing,
  DEFAULT_MTU,
  isClosing,
  MOST_VNI,
  type NetworkRecord,
  type ServiceNetwork,
  type SiteNetwork,
  subnetsOf,
} from '../domain/network/model';
import { type NetworkPool, type PoolPart, partOfPool, usualShare } from '../domain/network/pool';
import { endOf, type Subnet } from '../domain/network/subnet';
import type { AddressLeaseRepository } from './address-leases';
import { isDuplicateKey } from './connect';
import { findPage, fromStored, type PageRequest, type Stored, toStored } from './documents';

/** What is kept beside the record: of the pool's parts and of the names of the site's networks each is one network's. */
type StoredNetwork = Stored<NetworkRecord> & { units?: readonly number[]; siteName?: string };

export interface WantedNetwork
  extends Pick<ServiceNetwork, 'id' | 'name' | 'tenantId' | 'serviceId' | 'ipv4' | 'ipv6'> {
  readonly needs: readonly BlockNeed[];
  /** Components whose VEEs are to have addresses now. */
  readonly coming: ReadonlySet<string>;
  /** Other components that may have VEEs there: what the manifest in force says. Asked for only where a block is missing. */
  readonly standing: () => Promise<readonly string[]>;
  /** Subnets that those who are on it reach otherwise: what is taken of the pool is apart from them. */
  readonly avoid: readonly Subnet[];
}

const MOST_ROUNDS = 50;

export function networkRepository(db: Db, leases: AddressLeaseRepository) {
  const networks = db.collection<StoredNetwork>('networks');
  const removed = db.collection<{ _id: string; network: SiteNetwork; at: Date }>('removedNetworks');
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

  /** Two that come at once may both find room in the tenant's share: it is passed by one network then. */
  async function partFor(
    { name, needs, tenantId, avoid }: WantedNetwork,
    { subnet, perTenant = usualShare(subnet) }: NetworkPool,
  ): Promise<PoolPart> {
    const docs = await networks
      .find({ units: { $exists: true } }, { projection: { units: 1, tenantId: 1 } })
      .toArray();
    const unitsOf = (some: typeof docs) => some.flatMap((d) => d.units ?? []);
    const part = partOfPool(subnet, new Set(unitsOf(docs)), needs, avoid);
    if (!part)
      throw new SluiceError(
        'network-full',
        `The site's pool ${subnet} has no subnet left for network ${name}.`,
      );
    const own = unitsOf(docs.filter((d) => 'tenantId' in d && d.tenantId === tenantId)).length;
    if (own + part.units.length <= perTenant) return part;
    throw new SluiceError(
      'network-full',
      `Network ${name} needs ${part.units.length} of the pool's /24s, and ${tenantId} has ${own} of the ${perTenant} that a tenant may have.`,
    );
  }

  /** Those that are there, and such as were missing. */
  async function blocksFor({ id, needs, coming, standing }: WantedNetwork, known: ServiceNetwork) {
    if (needs.every((n) => known.blocks.some((b) => b.component === n.component))) return known.blocks;
    const claimed = [
      ...needs.map((n) => n.component),
      ...(await standing()),
      ...(await leases.componentsOn(id)),
    ];
    const kept = claimedBlocks(known.blocks, new Set(claimed));
    return blocksOf(known, addBlocks(endOf(subnetsOf(known)), kept, needs, coming));
  }

  return {
    async get(id: NetworkId): Promise<NetworkRecord | undefined> {
      const doc = await networks.findOne({ _id: id });
      return doc ? plain(doc) : undefined;
    },

    async some(ids: readonly NetworkId[]): Promise<NetworkRecord[]> {
      const docs = await networks
        .find({ _id: { $in: [...ids] } })
        .sort({ _id: 1 })
        .toArray();
      return docs.map(plain);
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
     * was missing, in place of what nobody has a claim to any more.
     * @param pool where its subnet is taken from if it names none
     * @throws SluiceError `network-full`
     */
    async ensure(wanted: WantedNetwork, pool: NetworkPool, now: number): Promise<ServiceNetwork> {
      const { needs, coming, standing: _standing, avoid: _avoid, ...facts } = wanted;
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const known = (await this.get(wanted.id)) as ServiceNetwork | undefined;
        if (known) {
          const blocks = await blocksFor(wanted, known);
          if (blocks.every((b) => known.blocks.includes(b))) return known;
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
        const blocks = blocksOf(wanted, addBlocks(endOf(subnetsOf(subnets)), [], needs, coming));
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
     * From the moment when it is closing nothing new comes onto it, and whoever came just before is seen. Whoever closes it
     * last removes it, or opens it again: what another had counted before that is not to be relied upon.
     * @param by the request, which may be repeated
     * @returns how many VEEs keep it from being removed
     */
    async remove(network: SiteNetwork, by: string, now: number): Promise<number> {
      const { id } = network;
      const own = { _id: id, 'closing.by': by } as Filter<StoredNetwork>;
      const closing: Closing = { by, at: now };
      for (let round = 0; round < MOST_ROUNDS; round++) {
        const closed = await networks.updateOne({ _id: id, kind: 'site' }, { $set: { closing } } as never);
        if (closed.matchedCount === 0) return 0;
        const used = await leases.countHeld(id);
        if (used > 0) {
          await networks.updateOne(own, { $unset: { closing: '' } } as never);
          return used;
        }
        await removed.updateOne({ _id: by }, { $set: { network, at: new Date(now) } }, { upsert: true });
        if ((await networks.deleteOne(own)).deletedCount === 0) continue;
        await leases.forget(id);
        return 0;
      }
      throw new SluiceError('unavailable', `Others kept closing and opening network ${network.name}.`);
    },

    /** What this request has removed, or is about to: kept for a day, so that its repeat has the same answer. */
    async removedBy(request: string): Promise<SiteNetwork | undefined> {
      return (await removed.findOne({ _id: request }))?.network;
    },

    /** Opens one whose remover has died. What that one does if it lives after all finds that it is not its own any more. */
    async reopenAbandoned({ id, closing }: SiteNetwork, now: number): Promise<void> {
      if (closing === undefined || closing === true || isClosing({ closing }, now)) return;
      await networks.updateOne(
        { _id: id, 'closing.by': closing.by } as Filter<StoredNetwork>,
        {
          $unset: { closing: '' },
        } as never,
      );
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
