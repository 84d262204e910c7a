import { CLEARING_MILLIS } from '../placement/promised';
import { withPlaces } from './keep';
import type { Lease, LeasePlan, NoLease } from './model';
import type { LeaseSite } from './place';
import type { LeaseQuestion } from './plan';

/** Less is no gain: times that those know who wait for it should not change for seconds. */
const LEAST_GAIN_MILLIS = CLEARING_MILLIS;

/** Hosts beat every second, and all of a move is in one transaction: with many more it would never end. */
const MOST_HOSTS = 40;

/** Is a lease to begin earlier, when it can? */
export const waits = ({ kind, confirmed, from }: Lease, now: number): boolean =>
  kind === 'best-effort' && confirmed && from - now >= LEAST_GAIN_MILLIS;

/**
 * Where a lease that begins as soon as it can would begin earlier, beside all that is promised to others: they lose nothing by
 * it. Nothing runs on its account yet, so that its places may be anywhere.
 * @param planLease elsewhere than here where that takes long
 */
export async function broughtForward(
  lease: Lease,
  site: LeaseSite,
  planLease: (question: LeaseQuestion) => Promise<LeasePlan | NoLease>,
): Promise<LeasePlan | undefined> {
  if (!waits(lease, site.at)) return undefined;
  const time = { kind: 'best-effort', from: site.at, millis: lease.until - lease.from } as const;
  const found = await planLease({ site: withPlaces(site, lease, []), shape: lease, time });
  if (found.kind === 'no-lease' || lease.from - found.from < LEAST_GAIN_MILLIS) return undefined;
  const hosts = new Set([...lease.places, ...found.places].map((p) => p.hostId));
  return hosts.size > MOST_HOSTS ? undefined : found;
}
