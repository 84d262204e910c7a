import type { Manifest } from '../manifest/schema';
import { CLEARING_MILLIS } from '../placement/promised';
import { startLevels } from './start-order';

/** A site looks at least so often for what is to end. */
export const MOST_LOOK_MILLIS = 20_000;

/** What has an end has to be gone so long after it has been asked to go, at the latest. */
export const MOST_STOP_MILLIS = CLEARING_MILLIS - MOST_LOOK_MILLIS;

/** How long the VEEs of a service may take to go: those of one level of the stop order go at once, levels one by one. */
export function stopMillisOf({ components, topology }: Pick<Manifest, 'components' | 'topology'>): number {
  const order = startLevels(
    components.map((c) => c.name),
    topology.dependencies,
  );
  if (order.kind === 'cycle') return 0;
  const millis = new Map(
    components.map((c) => [c.name, c.stopGraceMillis + (c.drain?.timeoutMillis ?? 0)] as const),
  );
  return order.levels
    .map((level) => Math.max(...level.map((name) => millis.get(name) ?? 0)))
    .reduce((sum, n) => sum + n, 0);
}
