import { randomUUID } from 'node:crypto';
import type { ClientSession, Db, Document, MongoClient } from 'mongodb';
import type { HostLiveness, HostRecord } from '../domain/host';
import {
  bookOf,
  describeLicenceRefusal,
  type LicencePool,
  type Licences,
  type LicensedPlace,
} from '../domain/placement/licences';
import type { Stored } from './documents';

interface StoredPool extends Omit<LicencePool, 'name'> {
  readonly _id: string;
  /** Another after each claim and change: of two that do so at once the database lets one pass, and the other looks again. */
  readonly revision: string;
}

/** Places that are taken together, or none of them. */
export interface Claim {
  /** Those that take licences. */
  readonly places: readonly LicensedPlace[];
  /** What takes them in the session's transaction; false when it can't. */
  readonly take: (session: ClientSession) => Promise<boolean>;
}

/** A place as it is reserved. */
export type HeldPlace = LicensedPlace & { readonly liveness: HostLiveness };

/** What came of setting or removing a pool: where it has too few, nothing is changed. */
export type PoolChange =
  | { readonly kind: 'done' }
  | { readonly kind: 'in-use'; readonly used: number; readonly places: readonly LicensedPlace[] };

/**
 * The licences of a site. How many are in use is written down nowhere but in the reservations of hosts: what gives a place back
 * gives back its licences in the same write, and nothing can be left over (docs/adr/0020).
 */
export function licenceRepository(client: MongoClient, db: Db) {
  const pools = db.collection<StoredPool>('licences');
  const hosts = db.collection<Stored<HostRecord>>('hosts');

  const stored = (names?: readonly string[], session?: ClientSession): Promise<StoredPool[]> =>
    pools
      .find(names ? { _id: { $in: [...names] } } : {}, session ? { session } : {})
      .sort({ _id: 1 })
      .toArray();

  const places = (names?: readonly string[], session?: ClientSession): Promise<HeldPlace[]> =>
    hosts.aggregate<HeldPlace>(placesHeld(names), session ? { session } : {}).toArray();

  const atOnce = <T>(act: (session: ClientSession) => Promise<T>): Promise<T> =>
    client.withSession((session) => session.withTransaction(() => act(session)));

  const withChange = (name: string, changed: LicencePool | undefined) =>
    atOnce(async (session): Promise<PoolChange> => {
      const held = await places([name], session);
      const pool = changed ?? { name, count: 0, per: 'vee' };
      const used = bookOf(siteOf([pool], held)).used(name);
      if (used > pool.count) return { kind: 'in-use', used, places: held };
      if (changed) {
        const { count, per } = changed;
        await pools.updateOne(
          { _id: name },
          { $set: { count, per, revision: randomUUID() } },
          { upsert: true, session },
        );
      } else await pools.deleteOne({ _id: name }, { session });
      return { kind: 'done' };
    });

  /** @param revisions of each licence as it was read: those that are claimed here are new afterwards */
  async function takeNow({ places, take }: Claim, revisions: Map<string, string>) {
    const renewed = namesIn(places).map((name) => [name, randomUUID()] as const);
    const outcome = await atOnce(async (session) => {
      for (const [_id, revision] of renewed) {
        const known = { _id, revision: revisions.get(_id) ?? '' };
        const { matchedCount } = await pools.updateOne(known, { $set: { revision } }, { session });
        if (matchedCount === 1) continue;
        await session.abortTransaction();
        return 'stale';
      }
      if (await take(session)) return 'taken';
      await session.abortTransaction();
      return 'no-room';
    });
    if (outcome === 'taken') for (const [name, revision] of renewed) revisions.set(name, revision);
    return outcome;
  }

  return {
    pools: async () => (await stored()).map(toPool),

    /**
     * @param names only those
     * @returns undefined where the site has none of them: nothing is to be read then
     */
    async read(
      names?: readonly string[],
    ): Promise<(Licences & { readonly places: readonly HeldPlace[] }) | undefined> {
      const known = names?.length === 0 ? [] : await stored(names);
      if (known.length === 0) return undefined;
      return { pools: known.map(toPool), places: await places(known.map((p) => p._id)) };
    },

    /** Which licence is short for these as things are, and how; nothing where there are enough. */
    async refusal(wanted: readonly LicensedPlace[]): Promise<string | undefined> {
      const names = namesIn(wanted);
      if (names.length === 0) return undefined;
      const refusal = bookOf(siteOf((await stored(names)).map(toPool), await places(names))).refusal(wanted);
      return refusal && describeLicenceRefusal(refusal);
    },

    /** More or fewer, or counted by something else; not fewer than are in use. */
    set: (pool: LicencePool): Promise<PoolChange> => withChange(pool.name, pool),

    remove: (name: string): Promise<PoolChange> => withChange(name, undefined),

    /**
     * Takes places if there are licences for all of them, each part in a transaction of its own. What is in use is read once,
     * and again only when somebody else has claimed meanwhile: a transaction is short then, and hardly ever collides with the
     * heartbeats of its hosts.
     * @returns false when licences are short, or a part can't be taken; what was taken before stays
     */
    async claim(parts: readonly Claim[]): Promise<boolean> {
      let left = parts;
      for (;;) {
        const names = namesIn(left.flatMap((p) => p.places));
        const known = await stored(names);
        const revisions = new Map(known.map((p) => [p._id, p.revision]));
        const book = bookOf(siteOf(known.map(toPool), await places(names)));
        for (let outcome = 'taken'; outcome === 'taken'; ) {
          const [part, ...others] = left;
          if (!part) return true;
          if (book.refusal(left.flatMap((p) => p.places))) return false;
          outcome = await takeNow(part, revisions);
          if (outcome === 'no-room') return false;
          if (outcome === 'stale') break;
          book.add(part.places);
          left = others;
        }
      }
    },
  };
}

export type LicenceRepository = ReturnType<typeof licenceRepository>;

const toPool = ({ _id: name, count, per }: StoredPool): LicencePool => ({ name, count, per });

const namesIn = (places: readonly LicensedPlace[]): string[] =>
  [...new Set(places.flatMap((p) => p.licences))].sort();

const siteOf = (pools: readonly LicencePool[], places: readonly HeldPlace[]) => ({
  licences: { pools, places },
  hosts: hostsOf(places),
});

/** As far as licences go: a host that holds none does not matter. */
export const hostsOf = (places: readonly HeldPlace[]) =>
  places.map(({ hostId, liveness }) => ({ id: hostId, liveness }));

/** All reservations that take licences, or some of these, with the host's liveness. */
function placesHeld(names?: readonly string[]): Document[] {
  const taken = { $ifNull: ['$$held.v.licences', []] };
  const wanted = names ? { $setIntersection: [taken, [...names]] } : taken;
  const cond = { $gt: [{ $size: wanted }, 0] };
  return [
    { $match: { licensed: names ? { $in: [...names] } : { $exists: true } } },
    {
      $project: {
        liveness: 1,
        held: { $filter: { input: { $objectToArray: '$reservations' }, as: 'held', cond } },
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
}
