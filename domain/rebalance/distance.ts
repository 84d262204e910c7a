import { groupBy } from '../group-by';
import { packs } from '../placement/built-in-policies';
import type { Goal, Parameters } from '../placement/policy';
import { type Capacity, type Dimension, deviceOf, isDevice, ZERO } from '../units';
import type { Layout } from './layout';
import { scaleOf } from './worth';

/**
 * How far from its goal a site is: less is better. How many hosts have something on them, how many watts they draw, or what
 * they cost an hour; `imbalanceOf` where none is to be freed.
 */
export function distanceOf(layout: Layout, goal: Goal, parameters?: Parameters): number {
  if (!packs(goal)) return imbalanceOf(layout);
  const { own, share } = scaleOf(goal, parameters);
  const unitsOn = groupBy(share ? layout.units : [], (u) => layout.hostOf(u));
  return layout.hosts
    .filter((h) => !layout.isEmpty(h.id))
    .reduce((all, host) => {
      const vees = (unitsOn.get(host.id) ?? []).flatMap((u) => u.vees);
      const used = asCapacity(layout.dimensions, layout.usedOf(host.id));
      return all + own(host) + (share?.(host, used, vees) ?? 0);
    }, 0);
}

/** So many watts, or so much money an hour. */
export const describeAmount = (goal: Goal, amount: number): string =>
  `${Number(amount.toPrecision(4))}${goal === 'watts' ? ' W' : ' an hour'}`;

/** The same in words. */
export function describeDistance(goal: Goal, before: number, now: number): string {
  const told = (amount: number) => describeAmount(goal, amount);
  switch (goal) {
    case 'few-hosts':
      return `${before} of the hosts that are open were in use, and ${now} are now`;
    case 'watts':
      return `hosts in use drew about ${told(before)}, and draw about ${told(now)} now`;
    case 'cost':
      return `hosts in use cost ${told(before)} before, and ${told(now)} now`;
    default: {
      const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
      return `loads differed by ${percent(before)} of a host, and differ by ${percent(now)} now`;
    }
  }
}

/**
 * How unevenly hosts are loaded: the root mean square of what separates the load of each, in each dimension, from the
 * site's. 0 is even; 0.1 is ten percent of a host up or down.
 */
export function imbalanceOf(layout: Layout): number {
  const terms = layout.loads();
  return terms === 0 ? 0 : Math.sqrt(Math.max(0, layout.unevenness()) / terms);
}

/** Numbers in the order of these dimensions, by name. */
function asCapacity(dimensions: readonly Dimension[], used: readonly number[]): Capacity {
  const named = dimensions.map((d, i) => [d, Math.max(0, used[i] ?? 0)] as const);
  const devices = named.flatMap(([d, many]) => (isDevice(d) ? [[deviceOf(d), many] as const] : []));
  const basic = Object.fromEntries(named.filter(([d]) => !isDevice(d)));
  return { ...ZERO, ...basic, ...(devices.length > 0 ? { devices: Object.fromEntries(devices) } : {}) };
}
