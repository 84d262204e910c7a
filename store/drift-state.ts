import type { VeeId } from '../domain/ids';
import type { DriftState } from '../domain/reconcile/model';
import type { Store } from './store';

/**
 * What a look for drift sees. Reports are read before records: a VEE is recorded before its host is told of it, so
 * what is reported and not recorded then is so for a reason. What is under way is read before and after, so that
 * whatever began or ended meanwhile counts as under way.
 */
export async function readDriftState(store: Store, now: number): Promise<DriftState> {
  const before = await store.operations.underWay();
  const addresses = await store.addresses.held();
  const hosts = await store.hosts.all();
  const reported = hosts.flatMap((h) => h.reported.map((r) => r.veeId as VeeId));
  const vees = await store.vees.withEpochs([...new Set(reported)]);
  const [services, known, after] = await Promise.all([
    store.services.phases(),
    store.drift.known(),
    store.operations.underWay(),
  ]);
  const underWay = new Map([...before, ...after].map((o) => [o.id, o]));
  return { now, hosts, vees, phases: services, underWay: [...underWay.values()], known, addresses };
}
