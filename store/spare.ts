import type { SiteId } from '../domain/ids';
import { DEFAULT_SLA_CLASS } from '../domain/manifest/sla-class';
import { constraintsOf } from '../domain/placement/constraints';
import { licenceNames } from '../domain/placement/licences';
import type { PlacementRequest, Snapshot, Spare, SpareRule } from '../domain/placement/model';
import { takeSnapshot } from './snapshot';
import type { Store } from './store';

/** What a planner sees now, with all that room for losses is kept for, where the site keeps any. */
export async function takeSnapshotWithSpare(
  store: Store,
  siteId: SiteId,
  now: number,
  names?: readonly string[],
): Promise<Snapshot> {
  const [snapshot, rule] = await Promise.all([takeSnapshot(store, now, names), store.site.spare(siteId)]);
  return rule ? { ...snapshot, spare: await spareOf(store, rule, snapshot) } : snapshot;
}

/** The same where a request asks for it, as that takes longer, and with the licences that it takes. */
export function takeSnapshotFor(
  store: Store,
  siteId: SiteId,
  now: number,
  { slaClass, vees }: Pick<PlacementRequest, 'slaClass' | 'vees'>,
): Promise<Snapshot> {
  const names = licenceNames(vees);
  return slaClass === undefined
    ? takeSnapshot(store, now, names)
    : takeSnapshotWithSpare(store, siteId, now, names);
}

async function spareOf(store: Store, { lose, least }: SpareRule, { vees }: Snapshot): Promise<Spare> {
  const services = await store.services.living();
  const manifests = await store.services.manifests(services.map((s) => s.manifestDigest));
  const rules = new Map(
    services.flatMap(({ id, manifestDigest }) => {
      const manifest = manifests.get(manifestDigest);
      if (!manifest) return [];
      const slaClass = manifest.slaClass ?? DEFAULT_SLA_CLASS;
      return [[id, { slaClass, constraints: constraintsOf(manifest, id) }] as const];
    }),
  );
  return {
    ...{ lose, least },
    vees: vees.flatMap(({ image, need, ...vee }) => {
      const of = rules.get(vee.serviceId);
      return of && image !== undefined && need ? [{ ...vee, image, need, ...of }] : [];
    }),
  };
}
