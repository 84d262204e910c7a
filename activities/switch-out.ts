import type { BrokenAlgorithm } from '../domain/placement/algorithms';
import type { SiteDeps } from './deps';

/** Algorithms that broke are asked no more until somebody enables them again, and an alert tells it once. */
export async function switchOutBroken(
  { store, siteId, now }: Pick<SiteDeps, 'store' | 'siteId' | 'now'>,
  broken: readonly BrokenAlgorithm[],
): Promise<void> {
  if (broken.length === 0) return;
  const settings = await store.site.algorithms(siteId);
  for (const one of broken) {
    const setting = settings[one.name];
    if (!setting || setting.switchedOut || setting.sha256 !== one.sha256) continue;
    // Told before it is done: whoever dies between the two tells it again, under the same id.
    await store.events.append({
      id: `${setting.requestedAs}/algorithm-switched-out`,
      at: now(),
      kind: 'algorithm.switched-out',
      message: `the algorithm ${one.name} broke (${one.because}): it is asked no more`,
      subject: siteId,
      alert: true,
    });
    await store.site.switchOutAlgorithm(siteId, one, setting, now());
  }
}
