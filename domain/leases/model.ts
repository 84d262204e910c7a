import type { HostId, LeaseId, OperationId, SiteId, TenantId } from '../ids';
import type { Infeasible } from '../placement/model';
import { CLEARING_MILLIS, type Promised } from '../placement/promised';
import { type Capacity, sum } from '../units';

/**
 * As Haizea calls them (B. Sotomayor et al., “Capacity Leasing in Cloud Systems using the OpenNebula Engine”, 2008): one
 * that begins at once or not at all, one that begins at a given time, and one that begins as soon as there is room.
 */
export const LEASE_KINDS = ['immediate', 'advance', 'best-effort'] as const;
export type LeaseKind = (typeof LEASE_KINDS)[number];

/** A shorter one would have no time left to be used. */
export const SHORTEST_LEASE_MILLIS = 2 * CLEARING_MILLIS;
export const MOST_LEASED = 1_000;

/** One that was begun so long ago and is not made was left by a process that died. */
export const MAKING_MILLIS = 60_000;

/** Places of one size that are asked for. */
export interface LeaseShape {
  readonly tenantId: TenantId;
  readonly count: number;
  readonly each: Capacity;
  /** Only on hosts that have it. */
  readonly image?: string;
  /** Only on hosts with all of these. */
  readonly labels: Readonly<Record<string, string>>;
  /** Each on a host of its own. */
  readonly apart: boolean;
}

export interface LeasePlace {
  readonly hostId: HostId;
  readonly count: number;
}

/** Places that are promised to a tenant for a time, from `from` to before `until`. In the API and to users: a reservation. */
export interface Lease extends LeaseShape {
  readonly id: LeaseId;
  readonly siteId: SiteId;
  readonly name: string;
  readonly kind: LeaseKind;
  readonly from: number;
  readonly until: number;
  readonly places: readonly LeasePlace[];
  /** Are the promises on its hosts made? Until then it is not there for anybody. */
  readonly confirmed: boolean;
  /** Who makes it: of two that are at it for the same request only the later one may confirm it, or give it up. */
  readonly attempt?: string;
  /** Neither over nor cancelled, as far as that is noted: what is over is noted a little later. */
  readonly live: boolean;
  readonly cancelledAt?: number;
  /** When it was told that it has begun. */
  readonly begunAt?: number;
  /** Why what is promised might not be there, as long as that is so. */
  readonly risk?: {
    readonly since: number;
    readonly because: string;
    /** What of it is news when it changes: not, how much room there is elsewhere. */
    readonly doubts?: string;
    /** Where; all that it is on, in records of earlier releases. */
    readonly hosts?: readonly HostId[];
  } | null;
  readonly requestedBy: string;
  readonly requestedAs: OperationId;
  readonly generation: number;
  readonly createdAt: number;
}

export type LeaseState = 'planned' | 'active' | 'ended' | 'cancelled';

export function stateOfLease(
  { from, until, cancelledAt }: Pick<Lease, 'from' | 'until' | 'cancelledAt'>,
  now: number,
): LeaseState {
  if (cancelledAt !== undefined) return 'cancelled';
  if (now >= until) return 'ended';
  return now >= from ? 'active' : 'planned';
}

/** What of one host is promised to a lease. */
export function promiseOn(
  { id: leaseId, tenantId, name, from, until, each }: Omit<Lease, 'places'>,
  count: number,
): Promised {
  return { leaseId, tenantId, name, from, until, amount: times(each, count) };
}

export const times = (each: Capacity, count: number): Capacity => sum(Array<Capacity>(count).fill(each));

/** When what uses a lease has to end at the latest, for its places to be free when it is over. */
export const lastEndIn = ({ until }: Pick<Lease, 'until'>): number => until - CLEARING_MILLIS;

/** Where and when a lease has its places. */
export interface LeasePlan {
  readonly kind: 'lease';
  readonly from: number;
  readonly until: number;
  readonly places: readonly LeasePlace[];
}

/** Why it has none then, and from when on it would. */
export interface NoLease {
  readonly kind: 'no-lease';
  /** How many there would be room for. */
  readonly fits: number;
  readonly why: Infeasible;
  readonly earliest?: number;
}
