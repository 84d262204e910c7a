import { groupBy } from '../group-by';
import type { HostId, LeaseId } from '../ids';
import type { SnapshotHost } from '../placement/model';
import { freeThroughout, type HostPromises, overPromised, type Promised } from '../placement/promised';
import { describeRefusal } from '../placement/refusal-summary';
import { atLeastNothing, fits, sameCapacity, subtract, sum, termOf } from '../units';
import { utcText } from '../utc';
import { FitsOverTime } from './fits-over-time';
import { type Lease, type LeasePlace, type LeasePlan, promiseOn, times } from './model';
import { type LeaseSite, placeLease, standingRefusals } from './place';

/** What is not as a lease needs it on one of its hosts. */
export interface Doubt {
  readonly place: LeasePlace;
  /** So many of the places there: of what a host has too little for, the rest is as safe as before. */
  readonly count: number;
  readonly because: string;
}

/**
 * Which places of a lease are in doubt, as their host is not there, is not as the lease wants it any more, or has too little
 * for all that is promised of it.
 */
export function doubtsOf(lease: Lease, site: LeaseSite): Doubt[] {
  const { hosts, vees } = byHost(site);
  return lease.places.flatMap((place): Doubt[] => {
    const doubt = (because: string, count = place.count) => [{ place, count, because }];
    const host = hosts.get(place.hostId);
    if (!host) return doubt(`${place.hostId} is gone`);
    if (host.liveness === 'lost') return doubt(`${host.id} is lost`);
    if (host.cordoned) return doubt(`${host.id} is cordoned`);
    const promised = host.promised?.promises.find((p) => p.leaseId === lease.id);
    if (!promised) return doubt(`${host.id} does not know of it`);
    if (!samePromise(promised, promiseOn(lease, place.count)))
      return doubt(`${host.id} has not promised all of it`);
    const there = { ...site, hosts: [host], vees: vees.get(host.id) ?? [] };
    const [refusals = []] = standingRefusals(there, lease);
    const refusal = refusals.find((r) => r.reason !== 'not-up' && r.reason !== 'cordoned');
    if (refusal) return doubt(`${host.id}: ${describeRefusal(refusal)}`);
    const over = overOn(host, site);
    if (!over) return [];
    const short = place.count - keptOf(lease, place.count, host, site.at);
    if (short <= 0) return [];
    // The same words at each look: what is too little now has been so for a while, or not.
    const since = over.at <= site.at ? 'now' : `from ${utcText(over.at)} on`;
    return doubt(
      `${host.id} has too little ${termOf(over.dimension)} for all that is promised ${since}`,
      short,
    );
  });
}

/** The same for each lease that the host has promised something to. */
function overOn(host: SnapshotHost, site: LeaseSite): ReturnType<typeof overPromised> {
  const { over } = byHost(site);
  if (!over.has(host.id)) over.set(host.id, overPromised(host, site.at));
  return over.get(host.id);
}

/**
 * How many places of a lease there is room for on a host that has too little for all: what begins earlier comes first, with
 * all that it can have. What its own VEEs hold is within it.
 */
function keptOf(lease: Lease, count: number, host: SnapshotHost, now: number): number {
  const { promises = [] } = host.promised ?? {};
  const first = promises.filter(
    (p) => p.leaseId !== lease.id && isBefore(p, { ...lease, leaseId: lease.id }),
  );
  let there: SnapshotHost = { ...host, promised: { promises: [], stays: host.promised?.stays ?? [] } };
  for (const one of first.sort((a, b) => (isBefore(a, b) ? -1 : 1))) {
    const { from, until } = one;
    const free = freeThroughout(withoutOwn(one.leaseId, there), { now, from, until });
    const amount = subtract(one.amount, atLeastNothing(subtract(one.amount, atLeastNothing(free))));
    const { promises: before = [], stays = [] } = there.promised ?? {};
    there = { ...there, promised: { promises: [...before, { ...one, amount }], stays } };
  }
  const fitting = new FitsOverTime(withoutOwn(lease.id, there), lease.each, count, now);
  return fitting.within(Math.max(now, lease.from), lease.until);
}

const isBefore = (a: Pick<Promised, 'from' | 'leaseId'>, b: Pick<Promised, 'from' | 'leaseId'>): boolean =>
  a.from < b.from || (a.from === b.from && a.leaseId < b.leaseId);

interface ByHost {
  readonly hosts: ReadonlyMap<HostId, SnapshotHost>;
  readonly vees: ReadonlyMap<HostId, LeaseSite['vees']>;
  /** What was found out about hosts so far. */
  readonly over: Map<HostId, ReturnType<typeof overPromised>>;
}
/** Once for all leases that are looked at: a site may have many of each. */
const known = new WeakMap<LeaseSite, ByHost>();

function byHost(site: LeaseSite): ByHost {
  const before = known.get(site);
  if (before) return before;
  const made = {
    hosts: new Map(site.hosts.map((h) => [h.id, h])),
    vees: groupBy(site.vees, (v) => v.hostId as HostId),
    over: new Map(),
  };
  known.set(site, made);
  return made;
}

/** How a lease goes on: what is promised anew, and what is left of the places that were in doubt. */
export interface Relocation {
  readonly places: readonly LeasePlace[];
  /** Hosts on which something of it is promised anew, and how much there is then. */
  readonly changed: readonly LeasePlace[];
  readonly risk?: string;
}

/**
 * Other places for those in doubt, as far as nothing of the lease runs there already: that is moved by whoever empties the
 * host, and its place follows then. All that can go goes, or, where there is no room for that, nothing.
 */
export function relocate(lease: Lease, doubts: readonly Doubt[], site: LeaseSite): Relocation {
  if (doubts.length === 0) return { places: lease.places, changed: [] };
  const doubtful = new Map(doubts.map((d) => [d.place.hostId, d]));
  const staying = new Map<HostId, number>();
  for (const { hostId, count } of lease.places) {
    const safe = count - (doubtful.get(hostId)?.count ?? 0);
    staying.set(hostId, safe === count ? count : Math.max(safe, usedOn(lease, hostId, count, site)));
  }
  const kept = placesOf(staying);
  const going = lease.count - total(kept);
  const because = doubts.map((d) => d.because).join('; ');
  if (going === 0) return { places: lease.places, changed: [], risk: because };
  const taken = lease.apart ? new Set([...staying].flatMap(([id, n]) => (n > 0 ? [id] : []))) : new Set();
  const hosts = site.hosts
    .filter((h) => !doubtful.has(h.id) && !taken.has(h.id))
    .map((h) => (staying.has(h.id) ? h : withoutOwn(lease.id, h)));
  const { until } = lease;
  const from = Math.max(site.at, lease.from);
  const found = placeLease({ ...site, hosts }, { ...lease, count: going }, { from, until });
  if (found.kind === 'no-lease')
    return {
      ...{ places: lease.places, changed: [] },
      risk: `${because}; elsewhere there is room for ${found.fits} of ${going}`,
    };
  const places = together(kept, found);
  const changed = places.filter((p) => lease.places.find((q) => q.hostId === p.hostId)?.count !== p.count);
  const left = doubts.some((d) => (staying.get(d.place.hostId) ?? 0) > d.place.count - d.count);
  return { places, changed, ...(left ? { risk: because } : {}) };
}

/** So many of its places on a host its own VEEs use, at least in part. */
function usedOn({ id, each }: Lease, hostId: HostId, count: number, site: LeaseSite): number {
  const stays: HostPromises['stays'] = byHost(site).hosts.get(hostId)?.promised?.stays ?? [];
  const used = sum(stays.filter((s) => s.leaseId === id).map((s) => s.amount));
  for (let n = 0; n < count; n++) if (fits(times(each, n), used)) return n;
  return count;
}

/** What runs there on the lease's account already will be within what is promised there, not beside it. */
function withoutOwn(id: LeaseId, host: SnapshotHost): SnapshotHost {
  const { promises = [], stays = [] } = host.promised ?? {};
  const own = stays.filter((s) => s.leaseId === id);
  return {
    ...host,
    reserved: subtract(host.reserved, sum(own.map((s) => s.amount))),
    promised: { promises, stays: stays.filter((s) => s.leaseId !== id) },
  };
}

const total = (places: readonly LeasePlace[]): number => places.reduce((n, p) => n + p.count, 0);

const placesOf = (counts: ReadonlyMap<HostId, number>): LeasePlace[] =>
  [...counts].flatMap(([hostId, count]) => (count > 0 ? [{ hostId, count }] : []));

function together(kept: readonly LeasePlace[], { places }: LeasePlan): LeasePlace[] {
  return [...groupBy([...kept, ...places], (p) => p.hostId)].map(([hostId, of]) => ({
    hostId,
    count: total(of),
  }));
}

type Time = Pick<Promised, 'from' | 'until'>;
export const sameTime = (one: Time, other: Time): boolean =>
  one.from === other.from && one.until === other.until;

export const samePromise = (one: Promised, other: Promised): boolean =>
  sameTime(one, other) && sameCapacity(one.amount, other.amount);

/** A site once a lease has these places, and no others. */
export function withPlaces(site: LeaseSite, lease: Lease, places: readonly LeasePlace[]): LeaseSite {
  const right = promisesOf({ ...lease, places });
  const hosts = site.hosts.map((host) => {
    const { promises = [], stays = [] } = host.promised ?? {};
    const before = promises.find((p) => p.leaseId === lease.id);
    const should = right.get(host.id);
    if (!before && !should) return host;
    const others = promises.filter((p) => p !== before);
    return { ...host, promised: { promises: should ? [...others, should] : others, stays } };
  });
  return { ...site, hosts };
}

/** What its hosts should have noted of a lease. */
export const promisesOf = (lease: Lease): Map<HostId, Promised> =>
  new Map(lease.places.map(({ hostId, count }) => [hostId, promiseOn(lease, count)]));
