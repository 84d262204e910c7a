import { derivedEntropy } from '../derived-entropy';
import { makeServiceId, type VeeId } from '../ids';
import { Board, unitsOf } from '../placement/feasibility';
import type { HostVerdict, PlacementRequest, Refusal, Snapshot, SnapshotHost } from '../placement/model';
import { freeThroughout, inTheWay, MOST_PROMISES, type Span } from '../placement/promised';
import { timesIn } from '../placement/room';
import { amountOf, type Capacity, type Dimension, shortages, subtract } from '../units';
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
  const judged = new OpenHosts(site, shape).at(time);
  const places: LeasePlace[] = [];
  let left = shape.count;
  for (const { hostId, fits } of [...judged].sort((a, b) => b.fits - a.fits)) {
    const count = Math.min(fits, left);
    if (count > 0) places.push({ hostId, count });
    left -= count;
  }
  return left === 0
    ? { kind: 'lease', ...time, places }
    : { kind: 'no-lease', fits: shape.count - left, why: whyNot(judged, shape, left) };
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
  const { first, changes } = new OpenHosts(site, shape).fittingFrom(notBefore, millis);
  const start = firstAtLeast(shape.count, first, changes);
  const from = start?.at ?? notBefore;
  const found = start && from + millis <= endBy;
  return placeLease(site, shape, {
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
  const then = placeLease(site, shape, time);
  if (then.kind === 'lease') return then;
  const millis = time.until - time.from;
  const later = earliestLease(site, shape, { notBefore: time.from, millis });
  return later.kind === 'lease' ? { ...then, earliest: later.from } : then;
}

/** When a host may have another amount to give for so long than a moment before, after the first. */
function turningPoints({ promised }: SnapshotHost, notBefore: number, millis: number): number[] {
  const { promises = [], stays = [] } = promised ?? {};
  const turns = [
    ...promises.flatMap((p) => [p.until, p.from - millis + 1]),
    ...stays.flatMap((s) => s.freeAt ?? []),
  ];
  return [...new Set(turns.filter((at) => at > notBefore))].sort((a, b) => a - b);
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
      const fitting = (from: number) => this.fitsOn(host, this.spanOf({ from, until: from + millis }));
      let last = fitting(notBefore);
      first += last;
      for (const at of turningPoints(host, notBefore, millis)) {
        const now = fitting(at);
        if (now !== last) changes.push({ at, by: now - last });
        last = now;
      }
    }
    return { first: { at: notBefore, by: first }, changes: changes.sort((a, b) => a.at - b.at) };
  }

  at(time: Time): Judged[] {
    const span = this.spanOf(time);
    return this.site.hosts.map((host, n) => {
      const standing = this.standing[n] ?? [];
      if (standing.length > 0) return { hostId: host.id, fits: 0, refusals: standing };
      const fits = this.fitsOn(host, span);
      return { hostId: host.id, fits, refusals: this.limits(host, span, fits) };
    });
  }

  private spanOf({ from, until }: Time): Span {
    return { now: this.site.at, from, until };
  }

  private fitsOn(host: SnapshotHost, span: Span): number {
    const { each, apart, count } = this.shape;
    return Math.min(apart ? 1 : count, timesIn(each, freeThroughout(host, span)));
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
  const board = new Board(site, request);
  const [unit] = unitsOf(request);
  return site.hosts.map((host) => {
    const refusals = unit ? board.standing(unit, host) : [];
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
