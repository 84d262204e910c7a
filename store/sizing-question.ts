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
  const [vees, services] = await Promise.all([store.vees.find({ living: true }), store.services.living()]);
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
  return {
    needs: Array.from({ length: wanted }, (_, n) => needs[n % needs.length]).flatMap((n) => n ?? []),
    apart: Math.max(0, ...apart),
  };
}
