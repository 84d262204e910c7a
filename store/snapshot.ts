import { SluiceError } from '../domain/errors';
import type { HostRecord } from '../domain/host';
import type { LeaseSite } from '../domain/leases/place';
import type { Snapshot } from '../domain/placement/model';
import { toLeaseHost } from './hosts';
import type { Store } from './store';

/**
 * What a planner sees now. The reservation decides later: a snapshot may be out of date, and that is fine.
 * @param names of the licences that matter; of many hosts it takes a while to read what takes them
 */
export async function takeSnapshot(store: Store, now: number, names?: readonly string[]): Promise<Snapshot> {
  const [{ hosts, vees }, apart, licences, stays] = await Promise.all([
    store.contents.read(),
    store.identities.apartness(),
    store.licences.read(names),
    store.services.stays(),
  ]);
  return {
    ...{ at: now, hosts, vees },
    ...(apart.size > 0 ? { apart } : {}),
    ...(licences ? { licences } : {}),
    ...(stays.size > 0 ? { stays } : {}),
  };
}

/** What promises are made by: what nobody knows yet of the time to come is as it is now. */
export async function readLeaseSite(store: Store, now: number): Promise<LeaseSite> {
  const apart = await store.identities.apartness();
  const [hosts, vees] = await Promise.all([
    store.hosts.leaseOffers(),
    // Who is where is asked only for those who are kept apart.
    apart.size > 0 ? store.vees.places() : [],
  ]);
  return { at: now, hosts: hosts.map(toLeaseHost), vees, ...(apart.size > 0 ? { apart } : {}) };
}

export async function hostOf(store: Store, id: HostRecord['id']): Promise<HostRecord> {
  const host = await store.hosts.get(id);
  if (!host) throw new SluiceError('not-found', `There is no host ${id}.`);
  return host;
}
