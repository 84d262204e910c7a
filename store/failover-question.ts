import type { FailoverQuestion } from '../domain/maintenance/failover-question';
import { DEFAULT_SLA_CLASS } from '../domain/manifest/sla-class';
import type { Snapshot } from '../domain/placement/model';
import { takeSnapshot } from './snapshot';
import type { Store } from './store';

/** The site as it is now, for the question what it could lose. */
export async function readFailoverQuestion(
  store: Store,
  now: number,
  least: FailoverQuestion['least'],
  snapshotNow: () => Promise<Snapshot> = () => takeSnapshot(store, now),
): Promise<Omit<FailoverQuestion, 'policy'>> {
  const [offers, snapshot, vees, services] = await Promise.all([
    store.hosts.offers(),
    snapshotNow(),
    store.vees.find({ living: true }),
    store.services.living(),
  ]);
  const manifests = await store.services.manifests(services.map((s) => s.manifestDigest));
  return {
    least,
    hosts: offers,
    snapshot,
    vees,
    services: services.flatMap(({ id, name, tenantId, manifestDigest }) => {
      const manifest = manifests.get(manifestDigest);
      if (!manifest) return [];
      return [
        { service: { id, name, tenantId }, slaClass: manifest.slaClass ?? DEFAULT_SLA_CLASS, manifest },
      ];
    }),
  };
}
