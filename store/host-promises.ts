import type { Collection, Document } from 'mongodb';
import type { HostRecord } from '../domain/host';
import type { HostId, LeaseId, TenantId } from '../domain/ids';
import { endOf, MOST_PROMISES, type Promised } from '../domain/placement/promised';
import { type Dimension, deviceOf, dimensionsOf, isDevice, sum, ZERO } from '../domain/units';
import type { Stored } from './documents';

/** What VEEs hold of a host, as pairs `{k, v}`. */
export const HELD: Document = { $objectToArray: '$reservations' };
/** Those of them that have an end, or are on a reservation's account. */
export const HELD_FOR_A_TIME: Document = {
  $filter: {
    input: HELD,
    cond: { $or: [{ $gt: ['$$this.v.freeAt', null] }, { $gt: ['$$this.v.leaseId', null] }] },
  },
};
/** What is promised of it, likewise; nothing in records of earlier releases. */
export const PROMISED: Document = { $objectToArray: { $ifNull: ['$promises', {}] } };

/**
 * What of hosts is promised for a time: each promise in one write to one document, on condition that what VEEs hold and what
 * is promised never exceed what the host has. `domain/placement/promised.ts` says the same without a database.
 */
export function hostPromises(hosts: Collection<Stored<HostRecord>>) {
  return {
    /**
     * Promises something of a host, or another amount of it. Repeating it changes nothing.
     * @param others tenants whose VEEs must not be on the same host
     * @param shrinks it was more until now, which nothing can stand against
     * @returns false when there is no room, or the host is not up and open
     */
    async promise(
      id: HostId,
      promised: Promised,
      now: number,
      others: readonly TenantId[] = [],
      shrinks = false,
    ): Promise<boolean> {
      const { filter, update } = promising(id, promised, now, others);
      const there = { _id: id, [`promises.${promised.leaseId}`]: { $exists: true } } as Document;
      return (await hosts.updateOne(shrinks ? there : filter, update)).matchedCount === 1;
    },

    /** What is promised, and where: to this lease, or to all. */
    async promising(to?: LeaseId): Promise<{ hostId: HostId; promised: Promised }[]> {
      const some = to ? { [`promises.${to}`]: { $exists: true } } : { promises: { $exists: true, $ne: {} } };
      const docs = await hosts.find(some as Document, { projection: { promises: 1 } }).toArray();
      return docs.flatMap(({ _id, promises = {} }) =>
        Object.values(promises)
          .filter(({ leaseId }) => to === undefined || leaseId === to)
          .map((promised) => ({ hostId: _id as HostId, promised })),
      );
    },

    /** Takes promises to a lease back, on these hosts or wherever there are any. */
    async withdraw(leaseId: LeaseId, ids?: readonly HostId[]): Promise<void> {
      await hosts.updateMany(
        {
          [`promises.${leaseId}`]: { $exists: true },
          ...(ids ? { _id: { $in: [...ids] } } : {}),
        } as Document,
        { $unset: { [`promises.${leaseId}`]: '' } } as Document,
      );
    },

    /** When what VEEs hold is free again, by VEE and host, where that is known. */
    async ends(): Promise<Map<string, Map<HostId, number>>> {
      const ending = { $filter: { input: HELD, cond: { $gt: ['$$this.v.freeAt', null] } } };
      const entries = { $map: { input: ending, in: { k: '$$this.k', at: '$$this.v.freeAt' } } };
      const docs = hosts.aggregate<{ _id: HostId; ends: { k: string; at: number }[] }>([
        { $project: { ends: entries } },
        { $match: { ends: { $ne: [] } } },
      ]);
      const ends = new Map<string, Map<HostId, number>>();
      for await (const { _id, ends: there } of docs)
        for (const { k, at } of there) ends.set(k, (ends.get(k) ?? new Map<HostId, number>()).set(_id, at));
      return ends;
    },

    /**
     * Changes when what VEEs hold on a host is given back at the latest. An earlier end takes nothing from anybody, so it is
     * never refused; what has left the host meanwhile has no end there.
     * @returns false when something is promised that this leaves no room for
     */
    async setFreeAt(
      id: HostId,
      veeIds: readonly string[],
      freeAt: number | undefined,
      now: number,
    ): Promise<boolean> {
      const known = (await hosts.findOne({ _id: id }))?.reservations ?? {};
      const there = veeIds.filter((veeId) => known[veeId] && known[veeId].freeAt !== freeAt);
      if (there.length === 0) return true;
      const end = (at: number | undefined) => endOf(at, now) ?? Number.POSITIVE_INFINITY;
      const earlier = there.every((v) => end(freeAt) <= end(known[v]?.freeAt));
      const then = freeAt === undefined ? '$$REMOVE' : freeAt;
      const held = {
        $map: {
          input: HELD,
          in: {
            $cond: [
              { $in: ['$$this.k', there] },
              {
                k: '$$this.k',
                v: { $mergeObjects: ['$$this.v', { freeAt: freeAt ?? Number.MAX_SAFE_INTEGER }] },
              },
              '$$this',
            ],
          },
        },
      };
      const dimensions = dimensionsOf(sum(there.map((veeId) => known[veeId]?.amount ?? ZERO)));
      const fits = earlier ? true : holds({ held, promised: PROMISED, now, dimensions });
      const unchanged = there.map((v) => ({
        $eq: [{ $ifNull: [`$reservations.${v}.freeAt`, null] }, known[v]?.freeAt ?? null],
      }));
      const present = there.map((v) => ({ $gt: [`$reservations.${v}`, null] }));
      const result = await hosts.updateOne({ _id: id, $expr: { $and: [...present, ...unchanged, fits] } }, [
        { $set: Object.fromEntries(there.map((veeId) => [`reservations.${veeId}.freeAt`, then])) },
      ]);
      if (result.matchedCount === 1) return true;
      const seen = (await hosts.findOne({ _id: id }))?.reservations ?? {};
      const same = there.every((v) => seen[v] && seen[v].freeAt === known[v]?.freeAt);
      return same ? false : this.setFreeAt(id, veeIds, freeAt, now);
    },
  };
}

/** The write that promises something of a host, in place of what of it was promised to the lease before, or changes nothing. */
export function promising(
  id: HostId,
  promised: Promised,
  now: number,
  others: readonly TenantId[],
): { readonly filter: Document; readonly update: Document } {
  const { leaseId, from, until } = promised;
  const rest = { $filter: { input: PROMISED, cond: { $ne: ['$$this.k', leaseId] } } };
  const all = { $concatArrays: [rest, [{ k: leaseId, v: { $literal: promised } }]] };
  const dimensions = dimensionsOf(promised.amount);
  const fits = holds({ held: HELD, promised: all, now, from, until, dimensions });
  return {
    filter: {
      ...{ _id: id, liveness: 'up', cordoned: false },
      $expr: {
        $and: [
          { $lt: [{ $size: rest }, MOST_PROMISES] },
          fits,
          ...(others.length > 0 ? [nothingOf(others)] : []),
        ],
      },
    },
    update: { $set: { [`promises.${leaseId}`]: { ...promised, since: now } } },
  };
}

/** A condition on a host: nothing on it is of these tenants, nor promised to them. */
export const nothingOf = (tenants: readonly TenantId[]): Document => {
  const of = (input: Document) => ({ $map: { input, in: '$$this.v.tenantId' } });
  const there = { $concatArrays: [of(HELD), of(PROMISED)] };
  return { $eq: [{ $size: { $setIntersection: [there, [...tenants]] } }, 0] };
};

interface Holding {
  /** Expressions for pairs as those of `HELD` and `PROMISED`, once the change is made. */
  readonly held: Document;
  readonly promised: Document;
  readonly now: number;
  /** Only this time is looked at: before and after it the change makes no difference. */
  readonly from?: number;
  readonly until?: number | undefined;
  /** Those in which something changes. */
  readonly dimensions: readonly Dimension[];
}

/** Where an amount is in a document. Names of devices have no dot and no dollar in them. */
export const pathOf = (d: Dimension): string => (isDevice(d) ? `devices.${deviceOf(d)}` : d);

/**
 * A condition on a host: what VEEs hold and what is promised beyond what the lease's own VEEs hold fit into it at every
 * instant of a time. What is held only shrinks, and what is promised only grows where a promise begins: those instants are
 * looked at. Of what is promised before and after that time nothing is, and where nothing is promised nothing is.
 */
export function holds({ held, promised, now, from = now, until, dimensions }: Holding): Document {
  const first = Math.max(now, from);
  const begins = {
    $filter: {
      input: { $map: { input: '$$promised', in: '$$this.v.from' } },
      cond: {
        $and: [{ $gt: ['$$this', first] }, ...(until === undefined ? [] : [{ $lt: ['$$this', until] }])],
      },
    },
  };
  const fitting = dimensions.map((d) => ({
    $lte: [
      { $add: [heldOf('$$there', d), promisedAt(d)] },
      { $ifNull: [`$fingerprint.capacity.${pathOf(d)}`, 0] },
    ],
  }));
  const atInstant = { $let: { vars: { there: thereAt('$$at', now) }, in: { $and: fitting } } };
  const instants = { $concatArrays: [[first], begins] };
  const always = { $allElementsTrue: [{ $map: { input: instants, as: 'at', in: atInstant } }] };
  const concerned = {
    $filter: {
      input: promised,
      cond: {
        $and: [
          { $gt: ['$$this.v.until', first] },
          ...(until === undefined ? [] : [{ $lt: ['$$this.v.from', until] }]),
        ],
      },
    },
  };
  return {
    $let: {
      vars: { promised: concerned },
      in: { $or: [{ $eq: ['$$promised', []] }, { $let: { vars: { held }, in: always } }] },
    },
  };
}

/** What holds its place at an instant: now all does, and what should be gone by now may do so for who knows how long. */
function thereAt(at: string, now: number): Document {
  const freeAt = { $ifNull: ['$$this.v.freeAt', Number.MAX_SAFE_INTEGER] };
  const there = { $or: [{ $lte: [at, now] }, { $lte: [freeAt, now] }, { $gt: [freeAt, at] }] };
  return { $filter: { input: '$$held', cond: there } };
}

const heldOf = (entries: string | Document, d: Dimension): Document => ({
  $sum: { $map: { input: entries, as: 'entry', in: `$$entry.v.amount.${pathOf(d)}` } },
});

/** What is promised at an instant beyond what the leases' own VEEs hold. */
function promisedAt(d: Dimension): Document {
  const current = {
    $filter: {
      input: '$$promised',
      as: 'p',
      cond: { $and: [{ $lte: ['$$p.v.from', '$$at'] }, { $gt: ['$$p.v.until', '$$at'] }] },
    },
  };
  const own = {
    $filter: { input: '$$there', as: 'own', cond: { $eq: ['$$own.v.leaseId', '$$p.k'] } },
  };
  const amount = { $ifNull: [`$$p.v.amount.${pathOf(d)}`, 0] };
  const unused = { $max: [0, { $subtract: [amount, heldOf(own, d)] }] };
  return { $sum: { $map: { input: current, as: 'p', in: unused } } };
}
