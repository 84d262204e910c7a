import { SluiceError } from '../domain/errors';
import type { HostRecord } from '../domain/host';
import type { Snapshot } from '../domain/placement/model';
import type { Store } from './store';

/** What a planner sees now. The reservation decides later: a snapshot may be out of date, and that is fine. */
export async function takeSnapshot(store: Store, now: number): Promise<Snapshot> {
  const [{ hosts, vees }, apart, licences] = await Promise.all([
    store.contents.read(),
    store.identities.apartness(),
    store.licences.read(),
  ]);
  return { at: now, hosts, vees, ...(apart.size > 0 ? { apart } : {}), ...(licences ? { licences } : {}) };
}

export async function hostOf(store: Store, id: HostRecord['id']): Promise<HostRecord> {
  const host = await store.hosts.get(id);
  if (!host) throw new SluiceError('not-found', `There is no host ${id}.`);
  return host;
}
