import { derivedEntropy } from '../derived-entropy';
import { makeServiceId, type VeeId } from '../ids';
import { Board, unitsOf } from '../placement/feasibility';
import type {
  HostVerdict,
  PlacedVee,
  PlacementRequest,
  Refusal,
  Snapshot,
  SnapshotHost,
} from '../placement/model';
import { freeThroughout, inTheWay, MOST_PROMISES, type Span } from '../placement/promised';
import { promisedPlaces } from '../placement/tenancy';
import {
  amountOf,
  type Capacity,
  type Dimension,
  deviceOf,
  devicesOfAll,
  isDevice,
  shortages,
  subtract,
} from '../units';
import { FitsOverTime } from './fits-over-time';
import { type LeasePlace, type LeasePlan, type LeaseShape, type NoLease, times } from './model';

interface Time {
  readonly from: number;
  readonly until: number;
}

/** What leases are placed by. Of its hosts all is told that has an end, also where nothing is promised yet. */
export type LeaseSite = Pick<Snapshot, 'at' | 'hosts' | 'vees' | 'apart'>;

/**
 * Places for a lease at a time, on as few hosts as that takes: hosts are each a case of their own here, so what one takes
 * leaves the others what they have, and some have room for all if any choice of them has.
 */
export function placeLease(site: LeaseSite, shape: LeaseShape, time: Time): LeasePlan | NoLease {
  return placeOn(new OpenHosts(site, shape), shape, time);
}

function placeOn(hosts: OpenHosts, shape: LeaseShape, time: Time): LeasePlan | NoLease {
  const fitting = hosts.at(time);
  const places: LeasePlace[] = [];
  let left = shape.count;
  for (const { hostId, fits } of [...fitting].sort((a, b) => b.fits - a.fits)) {
    if (left === 0 || fits === 0) break;
    const count = Math.min(fits, left);
    places.push({ hostId, count });
    left -= count;
  }
  return left === 0
    ? { kind: 'lease', ...time, places }
    : { kind: 'no-lease', fits: shape.count - left, why: whyNot(hosts.judged(time, fitting), shape, left) };
}

/**
 * The earliest time from `notBefore` on at which a lease has its places for so long, back-filled into whatever gap there is.
 * How many a host has room for changes only where something on it ends, and where what is promised there comes within reach:
 * the changes of all hosts are gone through in order. Times are whole milliseconds.
 * @param endBy it must be over by then
 */
export function earliestLease(
  site: LeaseSite,
  shape: LeaseShape,
  { notBefore, millis, endBy = Number.POSITIVE_INFINITY }: Readonly<Wish>,
): LeasePlan | NoLease {
  const hosts = new OpenHosts(site, shape);
  const { first, changes } = hosts.fittingFrom(notBefore, millis);
  const start = firstAtLeast(shape.count, first, changes);
  const from = start?.at ?? notBefore;
  const found = start && from + millis <= endBy;
  return placeOn(hosts, shape, {
    from: found ? from : notBefore,
    until: (found ? from : notBefore) + millis,
  });
}

/** By so many more there is room from that time on. */
interface Change {
  readonly at: number;
  readonly by: number;
}

function firstAtLeast(count: number, first: Change, changes: readonly Change[]): Change | undefined {
  let room = first.by;
  if (room >= count) return first;
  for (const [n, change] of changes.entries()) {
    room += change.by;
    // What changes at the same time changes at once.
    if (room >= count && changes[n + 1]?.at !== change.at) return change;
  }
  return undefined;
}

interface Wish {
  readonly notBefore: number;
  readonly millis: number;
  readonly endBy?: number | undefined;
}

/** The same, or why it has none then and when it would have. */
export function placeOrSay(site: LeaseSite, shape: LeaseShape, time: Time): LeasePlan | NoLease {
  const hosts = new OpenHosts(site, shape);
  const then = placeOn(hosts, shape, time);
  if (then.kind === 'lease') return then;
  const { first, changes } = hosts.fittingFrom(time.from, time.until - time.from);
  const earliest = firstAtLeast(shape.count, first, changes)?.at;
  return earliest === undefined ? then : { ...then, earliest };
}

interface Fitting {
  readonly host: SnapshotHost;
  readonly hostId: SnapshotHost['id'];
  readonly fits: number;
}

interface Judged {
  readonly hostId: SnapshotHost['id'];
  readonly fits: number;
  readonly refusals: readonly Refusal[];
}

/** The hosts that a lease may use at all, whenever it is: those that are up and open, and have what is asked of them. */
class OpenHosts {
  private readonly site: LeaseSite;
  private readonly shape: LeaseShape;
  private readonly standing: readonly (readonly Refusal[])[];
  private known: readonly string[] | undefined;
  private readonly overTime = new Map<SnapshotHost, FitsOverTime>();

  constructor(site: LeaseSite, shape: LeaseShape) {
    this.site = site;
    this.shape = shape;
    this.standing = standingRefusals(site, shape).map((refusals, n) => {
      const promises = site.hosts[n]?.promised?.promises.length ?? 0;
      return promises < MOST_PROMISES ? refusals : [...refusals, FULL];
    });
  }

  /** For how many there is room at first, and how that changes for what begins later, in order. */
  fittingFrom(
    notBefore: number,
    millis: number,
  ): { readonly first: Change; readonly changes: readonly Change[] } {
    const changes: Change[] = [];
    let first = 0;
    for (const [n, host] of this.site.hosts.entries()) {
      if (this.standing[n]?.length !== 0) continue;
      const steps = this.fitsOn(host).from(notBefore, millis);
      for (const [step, { at, fits }] of steps.entries())
        if (step === 0) first += fits;
        else changes.push({ at, by: fits - (steps[step - 1]?.fits ?? 0) });
    }
    return { first: { at: notBefore, by: first }, changes: changes.sort((a, b) => a.at - b.at) };
  }

  at({ from, until }: Time): Fitting[] {
    return this.site.hosts.map((host, n) => {
      const open = this.standing[n]?.length === 0;
      return { host, hostId: host.id, fits: open ? this.fitsOn(host).within(from, until) : 0 };
    });
  }

  /** The same with what keeps each from taking more: nobody asks where there is room enough. */
  judged(time: Time, fitting: readonly Fitting[]): Judged[] {
    const span = this.spanOf(time);
    return fitting.map(({ host, hostId, fits }, n) => {
      const standing = this.standing[n] ?? [];
      return { hostId, fits, refusals: standing.length > 0 ? standing : this.limits(host, span, fits) };
    });
  }

  private spanOf({ from, until }: Time): Span {
    return { now: this.site.at, from, until };
  }

  /** The names of all that the site has; read when something lacks one. */
  private devices(): readonly string[] {
    this.known ??= devicesOfAll(this.site.hosts.map((h) => h.capacity));
    return this.known;
  }

  private fitsOn(host: SnapshotHost): FitsOverTime {
    const { each, apart, count } = this.shape;
    const known = this.overTime.get(host) ?? new FitsOverTime(host, each, apart ? 1 : count, this.site.at);
    this.overTime.set(host, known);
    return known;
  }

  /** What one more would lack. */
  private limits(host: SnapshotHost, span: Span, fits: number): Refusal[] {
    const { each, apart } = this.shape;
    const taken = times(each, fits);
    const free = subtract(freeThroughout(host, span), taken);
    const without = subtract(freeThroughout({ ...host, promised: withoutPromises(host) }, span), taken);
    const short = shortages(free, each);
    if (short.length === 0 && apart && fits === 1)
      return [{ reason: 'constraint', constraint: 'each on a host of its own', because: 'one is there' }];
    return short.map((s): Refusal => {
      if (isDevice(s.dimension) && !this.devices().includes(deviceOf(s.dimension)))
        return { reason: 'no-device', device: deviceOf(s.dimension), there: this.devices() };
      const needed = amountOf(times(each, fits + 1), s.dimension);
      const way = inTheWay(host, span, s.dimension, needed);
      return way && enough(without, each, s.dimension)
        ? { reason: 'promised', ...s, to: way.promised.name, from: way.at }
        : { reason: 'capacity', ...s };
    });
  }
}

const enough = (free: Capacity, need: Capacity, dimension: Dimension): boolean =>
  amountOf(free, dimension) >= amountOf(need, dimension);

const withoutPromises = ({ promised }: SnapshotHost) => ({ promises: [], stays: promised?.stays ?? [] });

const FULL: Refusal = {
  ...{ reason: 'constraint', constraint: `a host promises to ${MOST_PROMISES} reservations at most` },
  because: 'it does so already',
};

const COMPONENT = 'place';
const NOBODYS = makeServiceId(derivedEntropy('lease'));

/** By the planner's own rules, as for a VEE of that size: whoever uses the lease meets them again. */
export function standingRefusals(site: LeaseSite, shape: LeaseShape): (readonly Refusal[])[] {
  const { tenantId, each, image = '', labels } = shape;
  const vee = { id: 'place' as VeeId, tenantId, serviceId: NOBODYS, component: COMPONENT, index: 0 };
  const request: PlacementRequest = {
    vees: [{ ...vee, need: each, image }],
    constraints: [{ kind: 'assignment', serviceId: NOBODYS, component: COMPONENT, labels, denyHosts: [] }],
  };
  // What is free is not asked of it, and who is where only for those who are kept apart.
  const others = site.apart?.get(tenantId);
  const promised = others ? promisedPlaces(site.hosts).filter((p) => others.has(p.tenantId)) : [];
  const places = promised.map((p, n): PlacedVee => ({ ...vee, ...p, id: `promised-${n}` as VeeId }));
  const vees = others ? [...site.vees.filter((v) => others.has(v.tenantId)), ...places] : [];
  const hosts = site.hosts.map(({ promised: _, ...host }) => host);
  const board = new Board({ ...site, hosts, vees }, request);
  const [unit] = unitsOf(request);
  return hosts.map((host) => {
    const refusals = (unit ? board.standing(unit, host) : []).map(
      // No manifest has said so.
      (r): Refusal => (r.reason === 'constraint' ? { ...r, constraint: 'the labels of the reservation' } : r),
    );
    return shape.image === undefined ? refusals.filter((r) => r.reason !== 'image-missing') : refusals;
  });
}

function whyNot(judged: readonly Judged[], { count }: LeaseShape, left: number): NoLease['why'] {
  const hosts = judged.map(({ hostId, refusals }): HostVerdict => ({ hostId, refusals }));
  return {
    kind: 'infeasible',
    proven: true,
    unplaced: Array.from({ length: left }, (_, n) => ({
      ...{ veeId: `place-${count - left + n}` as VeeId, component: COMPONENT, index: count - left + n },
      hosts,
    })),
  };
}
