import { updatePolicyOf } from '../manifest/policies';
import type { Manifest, ManifestNetwork } from '../manifest/schema';
import type { BlockNeed } from './blocks';

/**
 * Which components are on a network of a manifest, and how many VEEs of each there may be at one time: when all are made anew at
 * once, each is there twice, however many more `maxSurge` would let be.
 */
export function needsOn(manifest: Manifest, network: Pick<ManifestNetwork, 'name'>): BlockNeed[] {
  const { maxSurge } = updatePolicyOf(manifest);
  return manifest.components
    .filter((c) => c.networks?.includes(network.name))
    .map((c) => ({ component: c.name, most: c.instances.max + Math.min(maxSurge, c.instances.max) }));
}
