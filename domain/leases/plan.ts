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

/** So many hosts and promises take some hundredths of a second; a refusal looks at each of them a few times. */
const MOST_AT_ONCE = 4_000;

/** Does the answer take so long that others would have to wait for it? */
export const takesLong = ({ site }: Pick<LeaseQuestion, 'site'>): boolean => {
  let entries = 0;
  for (const { promised } of site.hosts)
    entries += 1 + (promised ? promised.promises.length + promised.stays.length : 0);
  return entries > MOST_AT_ONCE;
};

/** The same question without what doesn't matter to it, as it goes to where it is answered. */
export function inBrief({ site, shape, ...rest }: LeaseQuestion): LeaseQuestion {
  const { at, hosts, vees, apart } = site;
  const others = apart?.get(shape.tenantId);
  const { tenantId, count, each, image, labels, apart: isApart } = shape;
  return {
    ...rest,
    shape: { tenantId, count, each, labels, apart: isApart, ...(image === undefined ? {} : { image }) },
    site: {
      at,
      hosts,
      vees: others ? vees.filter((v) => others.has(v.tenantId)) : [],
      ...(apart ? { apart } : {}),
    },
  };
}

/** Where and when a lease would be now. */
export function planLease({ site, shape, time }: LeaseQuestion): LeasePlan | NoLease {
  const { kind, from, millis, endBy } = time;
  return kind === 'best-effort'
    ? earliestLease(site, shape, { notBefore: from, millis, endBy })
    : placeOrSay(site, shape, { from, until: from + millis });
}
