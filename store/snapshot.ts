import { SluiceError } from '../domain/errors';
import type { HostRecord } from '../domain/host';
import type { Snapshot, SnapshotHost } from '../domain/placement/model';
import type { HostOffer } from './hosts';
import type { Store } from './store';

export function toSnapshotHost(host: HostOffer): SnapshotHost {
  const { id, zone, labels, liveness, cordoned, fingerprint, reserved } = host;
  const { driver, capabilities, images, capacity } = fingerprint;
  return { id, zone, labels, liveness, cordoned, driver, capabilities, images, capacity, reserved };
}

/** What a planner sees now. The reservation decides later: a snapshot may be out of date, and that is fine. */
export async function takeSnapshot(store: Store, now: number): Promise<Snapshot> {
  const [hosts, vees, apart] = await Promise.all([
    store.hosts.offers(),
    store.vees.places(),
    store.identities.apartness(),
  ]);
  return { at: now, hosts: hosts.map(toSnapshotHost), vees, ...(apart.size > 0 ? { apart } : {}) };
}

export async function hostOf(store: Store, id: HostRecord['id']): Promise<HostRecord> {
  const host = await store.hosts.get(id);
  if (!host) throw new SluiceError('not-found', `There is no host ${id}.`);
  return host;
}
