import type { LeaseId, TenantId } from '../ids';
import {
  add,
  amountOf,
  type Capacity,
  type Dimension,
  dimensionsOf,
  larger,
  sameCapacity,
  subtract,
  sum,
  ZERO,
} from '../units';

/** What of a host is promised to a lease, for its time: `until` is the first instant at which it is not any more. */
export interface Promised {
  readonly leaseId: LeaseId;
  readonly tenantId: TenantId;
  readonly name: string;
  readonly from: number;
  readonly until: number;
  readonly amount: Capacity;
  /** When that was noted; not in records of earlier releases. */
  readonly since?: number;
}

/** To so many leases something of one host is promised at most: each write to it looks at what is promised at every time. */
export const MOST_PROMISES = 50;

/** What an end leaves for what is there to go: a place counts as taken for so long after it. */
export const CLEARING_MILLIS = 60_000;

/** When what ends at that time has gone. */
export const freeAtOf = (until: number): number => until + CLEARING_MILLIS;

/** How long something stays, and on whose account: without an end, and on nobody's, when both are absent. */
export interface Stay {
  /** When its place is free again at the latest. */
  readonly freeAt?: number;
  /** It may use what is promised to that one. */
  readonly leaseId?: LeaseId;
}

export interface HeldStay extends Stay {
  readonly veeId: string;
  readonly amount: Capacity;
}

/** What is promised of a host, and of what is reserved there now that which has an end or is on a lease's account. */
export interface HostPromises {
  readonly promises: readonly Promised[];
  readonly stays: readonly HeldStay[];
}

interface Offer {
  readonly capacity: Capacity;
  /** What VEEs hold now, also such as should be gone. */
  readonly reserved: Capacity;
  readonly promised?: HostPromises;
}

/** `now` is when what is reserved was seen. The lease `without` whose promise is left out is the asking one's own. */
export interface Span {
  readonly now: number;
  readonly from: number;
  readonly until: number;
  readonly without?: LeaseId | undefined;
}

/** When a place is free again; absent also of what should be gone by now: that may stay for who knows how long. */
export const endOf = (freeAt: number | undefined, now: number): number | undefined =>
  freeAt !== undefined && freeAt > now ? freeAt : undefined;

/** What asks for a place now, for as long as it stays: until the end of time, or until its own. */
export const spanOf = (now: number, stay: Stay = {}): Span => ({
  ...{ now, from: now, until: endOf(stay.freeAt, now) ?? Number.POSITIVE_INFINITY },
  without: stay.leaseId,
});

/** What is held at an instant, and what is promised then beyond what the lease's own VEEs hold already. */
export function takenAt(host: Offer, at: number, { now, without }: Pick<Span, 'now' | 'without'>): Capacity {
  const { reserved, promised } = host;
  if (!promised) return reserved;
  const there = promised.stays.filter((s) => at <= now || !isGoneBy(s, at, now));
  const gone = subtract(sum(promised.stays.map((s) => s.amount)), sum(there.map((s) => s.amount)));
  const kept = promisesAt(promised, at)
    .filter((p) => p.leaseId !== without)
    .map((p) => unused(p, there));
  return add(subtract(reserved, gone), sum(kept));
}

/**
 * What is free of a host throughout a time: in each dimension the least that there is at any instant. What is held only
 * shrinks as time goes by, and what is promised only grows where a promise begins, so no other instants are looked at.
 */
export function freeThroughout(host: Offer, span: Span): Capacity {
  const { capacity, promised } = host;
  if (!promised) return subtract(capacity, host.reserved);
  return subtract(
    capacity,
    instantsOf(promised, span)
      .map((at) => takenAt(host, at, span))
      .reduce(larger),
  );
}

/** By how much less there is for whoever stays so long than is free now; nothing where that is the same. */
export function keptFrom(host: Offer, now: number, stay?: Stay): Capacity | undefined {
  if (!host.promised) return undefined;
  const kept = subtract(subtract(host.capacity, host.reserved), freeThroughout(host, spanOf(now, stay)));
  return sameCapacity(kept, ZERO) ? undefined : kept;
}

/** The promise for which there is too little of something, the first that is in the way. */
export function inTheWay(
  host: Offer,
  span: Span,
  dimension: Dimension,
  need: number,
): { readonly promised: Promised; readonly at: number } | undefined {
  const { capacity, promised } = host;
  for (const at of promised ? instantsOf(promised, span) : []) {
    if (amountOf(subtract(capacity, takenAt(host, at, span)), dimension) >= need) continue;
    const [first] = promisesAt(promised as HostPromises, at)
      .filter((p) => p.leaseId !== span.without && amountOf(p.amount, dimension) > 0)
      .sort(
        (a, b) =>
          Number(b.from === at) - Number(a.from === at) ||
          amountOf(b.amount, dimension) - amountOf(a.amount, dimension),
      );
    if (first) return { promised: first, at };
  }
  return undefined;
}

/** Where more is held and promised than a host has: in which dimension, and from when on. */
export function overPromised(host: Offer, now: number): { dimension: Dimension; at: number } | undefined {
  const span = spanOf(now);
  for (const at of host.promised ? instantsOf(host.promised, span) : []) {
    const taken = takenAt(host, at, span);
    const dimension = dimensionsOf(taken).find((d) => amountOf(taken, d) > amountOf(host.capacity, d));
    if (dimension) return { dimension, at };
  }
  return undefined;
}

/** A host that something has left: it gives nothing back again when its time comes. */
export function withoutStay<H extends Offer>(host: H, veeId: string): H {
  const { promised } = host;
  if (!promised?.stays.some((s) => s.veeId === veeId)) return host;
  return {
    ...host,
    promised: { ...promised, stays: promised.stays.filter((s) => s.veeId !== veeId) },
  };
}

const isGoneBy = ({ freeAt }: Stay, at: number, now: number): boolean =>
  (endOf(freeAt, now) ?? Number.POSITIVE_INFINITY) <= at;

const promisesAt = ({ promises }: HostPromises, at: number): readonly Promised[] =>
  promises.filter((p) => p.from <= at && at < p.until);

/** What a lease's own VEEs leave of its promise. */
const unused = ({ leaseId, amount }: Promised, there: readonly HeldStay[]): Capacity =>
  larger(ZERO, subtract(amount, sum(there.filter((s) => s.leaseId === leaseId).map((s) => s.amount))));

function instantsOf({ promises }: HostPromises, { now, from, until }: Span): number[] {
  const first = Math.max(now, from);
  return [first, ...promises.map((p) => p.from).filter((at) => at > first && at < until)].sort(
    (a, b) => a - b,
  );
}
