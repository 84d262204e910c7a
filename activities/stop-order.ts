import type { ServiceId } from '../domain/ids';
import type { LivingVee } from '../domain/service/deployment';
import { startLevels } from '../domain/service/start-order';
import type { Store } from '../store/store';
import { toLivingAll } from './living';
import { serviceOf } from './planning';

/** The living VEEs of a service, dependants before what they depend on. */
export async function inStopOrder(store: Store, serviceId: ServiceId): Promise<LivingVee[][]> {
  const service = await serviceOf(store, serviceId);
  const manifest = await store.services.manifest(service.manifestDigest);
  const vees = await toLivingAll(store, await store.vees.find({ serviceId, living: true }));
  const order = startLevels(
    manifest.components.map((c) => c.name),
    manifest.topology.dependencies,
  );
  const levels = order.kind === 'levels' ? [...order.levels].reverse() : [];
  // First those of components that the manifest does not know: a re-composition that was given up left them.
  const known = new Set(levels.flat());
  return [
    vees.filter((v) => !known.has(v.component)),
    ...levels.map((level) => vees.filter((v) => level.includes(v.component))),
  ].filter((group) => group.length > 0);
}
