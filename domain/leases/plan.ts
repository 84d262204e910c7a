import type { LeaseKind, LeasePlan, LeaseShape, NoLease } from './model';
import { earliestLease, type LeaseSite, placeOrSay } from './place';

/** A time that is whole and may be: what is left open of it is for the place to decide. */
export interface LeaseTime {
  readonly kind: LeaseKind;
  readonly from: number;
  readonly millis: number;
  /** Of one that begins as soon as it can: when it has to be over. */
  readonly endBy?: number | undefined;
}

export interface LeaseQuestion {
  readonly site: LeaseSite;
  readonly shape: LeaseShape;
  readonly time: LeaseTime;
}

/** Where and when a lease would be now. */
export function planLease({ site, shape, time }: LeaseQuestion): LeasePlan | NoLease {
  const { kind, from, millis, endBy } = time;
  return kind === 'best-effort'
    ? earliestLease(site, shape, { notBefore: from, millis, endBy })
    : placeOrSay(site, shape, { from, until: from + millis });
}
