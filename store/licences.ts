import type { ClientSession, Db, Document, MongoClient } from 'mongodb';
import type { HostLiveness, HostRecord } from '../domain/host';
import { bookOf, type LicencedPlace, type LicencePool, type Licences } from '../domain/placement/licences';
import type { Stored } from './documents';

interface StoredPool extends Omit<LicencePool, 'name'> {
  readonly _id: string;
  /** Counts what was claimed and changed: of two that do so at once the database lets one pass, and has the other look again. */
  readonly revision: number;
}

/** A place as it is reserved. */
type HeldPlace = LicencedPlace & { readonly liveness: HostLiveness };

/** What came of setting or removing a pool: where it has too few, nothing is changed. */
export type PoolChange =
  | { readonly kind: 'done' }
  | { readonly kind: 'in-use'; readonly used: number; readonly places: readonly LicencedPlace[] };

/**
 * The licences of a site. How many are in use is written down nowhere but in the reservations of hosts: what gives a place back
 * gives back its licences in the same write, and nothing can be left over (docs/adr/0020).
 */
export function licenceRepository(client: MongoClient, db: Db) {
  const pools = db.collection<StoredPool>('licences');
  const hosts = db.collection<Stored<HostRecord>>('hosts');

  const allPools = async (session?: ClientSession): Promise<LicencePool[]> =>
    (
      await pools
        .find({}, session ? { session } : {})
        .sort({ _id: 1 })
        .toArray()
    ).map(({ _id: name, count, per }) => ({ name, count, per }));

  const places = (session?: ClientSession): Promise<HeldPlace[]> =>
    hosts.aggregate<HeldPlace>(HELD, session ? { session } : {}).toArray();

  const atOnce = <T>(act: (session: ClientSession) => Promise<T>): Promise<T> =>
    client.withSession((session) => session.withTransaction(() => act(session)));

  const withChange = (name: string, changed: LicencePool | undefined) =>
    atOnce(async (session): Promise<PoolChange> => {
      const held = await places(session);
      const before = (await allPools(session)).filter((p) => p.name !== name);
      const pool = changed ?? { name, count: 0, per: 'vee' };
      const used = bookOf(siteOf([...before, pool], held)).used(name);
      if (used > pool.count)
        return { kind: 'in-use', used, places: held.filter((p) => p.licences.includes(name)) };
      if (changed) {
        const { count, per } = changed;
        await pools.updateOne(
          { _id: name },
          { $set: { count, per }, $inc: { revision: 1 } },
          { upsert: true, session },
        );
      } else await pools.deleteOne({ _id: name }, { session });
      return { kind: 'done' };
    });

  return {
    pools: () => allPools(),

    /** @returns undefined where the site has none: nothing is to be read then */
    async read(): Promise<Licences | undefined> {
      const known = await allPools();
      return known.length === 0 ? undefined : { pools: known, places: await places() };
    },

    /** More or fewer, or counted by something else; not fewer than are in use. */
    set: (pool: LicencePool): Promise<PoolChange> => withChange(pool.name, pool),

    remove: (name: string): Promise<PoolChange> => withChange(name, undefined),

    /**
     * Takes places if there are licences for them. Of two that take some of one kind at once the second looks again, at what
     * the first has taken.
     * @param take what takes them in the session's transaction; false when it can't
     * @returns false when licences are short, or `take` says so
     */
    claim: (
      wanted: readonly LicencedPlace[],
      take: (session: ClientSession) => Promise<boolean>,
    ): Promise<boolean> =>
      atOnce(async (session) => {
        const names = [...new Set(wanted.flatMap((p) => p.licences))].sort();
        for (const _id of names) await pools.updateOne({ _id }, { $inc: { revision: 1 } }, { session });
        const site = siteOf(await allPools(session), await places(session));
        return bookOf(site).refusal(wanted) === undefined && (await take(session));
      }),
  };
}

export type LicenceRepository = ReturnType<typeof licenceRepository>;

const siteOf = (pools: readonly LicencePool[], places: readonly HeldPlace[]) => ({
  licences: { pools, places },
  hosts: places.map(({ hostId, liveness }) => ({ id: hostId, liveness })),
});

const isLicenced: Document = { $gt: [{ $size: { $ifNull: ['$$held.v.licences', []] } }, 0] };
/** All reservations that take licences, with the host's liveness: looked for on hosts that have ever had one. */
const HELD: Document[] = [
  { $match: { licenced: true } },
  {
    $project: {
      liveness: 1,
      held: { $filter: { input: { $objectToArray: '$reservations' }, as: 'held', cond: isLicenced } },
    },
  },
  { $unwind: '$held' },
  {
    $project: {
      ...{ _id: 0, veeId: '$held.k', hostId: '$_id', liveness: 1, tenantId: '$held.v.tenantId' },
      ...{ cpuMillis: '$held.v.amount.cpuMillis', licences: '$held.v.licences' },
    },
  },
];
