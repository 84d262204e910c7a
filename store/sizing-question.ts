import { groupBy } from '../domain/group-by';
import { constraintsOf } from '../domain/placement/constraints';
import type { SizingQuestion } from '../domain/placement/sizing';
import type { Store } from './store';

/**
 * What runs here, for the question how few hosts hold it.
 * @param growthPercent so much more of it, of the same sizes
 */
export async function readSizingQuestion(
  store: Store,
  growthPercent: number,
): Promise<Omit<SizingQuestion, 'host'>> {
  const [vees, services, pools] = await Promise.all([
    store.vees.find({ living: true }),
    store.services.living(),
    store.licences.pools(),
  ]);
  const manifests = await store.services.manifests(services.map((s) => s.manifestDigest));
  const members = groupBy(vees, (v) => `${v.serviceId}/${v.component}`);
  const apart = services.flatMap(({ id, manifestDigest }) => {
    const manifest = manifests.get(manifestDigest);
    return (manifest ? constraintsOf(manifest, id) : []).map((c) =>
      c.kind === 'apart-within' && c.level === 'host'
        ? Math.ceil((members.get(`${id}/${c.component}`)?.length ?? 0) / c.most)
        : 0,
    );
  });
  const needs = vees.map((v) => v.template.capacity);
  const wanted = needs.length + Math.ceil((needs.length * growthPercent) / 100);
  // What there will be more of takes as much as what it is like.
  const takersOf = (name: string) =>
    Array.from({ length: wanted }, (_, n) => n).filter((n) =>
      vees[n % vees.length]?.template.licences?.includes(name),
    );
  const licences = pools
    .map(({ name, count, per }) => ({ name, count, per, takers: takersOf(name) }))
    .filter((l) => l.takers.length > 0);
  return {
    ...(licences.length > 0 ? { licences } : {}),
    needs: Array.from({ length: wanted }, (_, n) => needs[n % needs.length]).flatMap((n) => n ?? []),
    apart: Math.max(0, ...apart),
  };
}
