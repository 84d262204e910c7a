import type { Goal } from '../placement/policy';
import type { Layout } from './layout';

/** How far from its goal a site is: less is better. `imbalanceOf`, or how many hosts have something on them. */
export const distanceOf = (layout: Layout, goal: Goal): number =>
  goal === 'few-hosts' ? layout.hosts.filter((h) => !layout.isEmpty(h.id)).length : imbalanceOf(layout);

/** The same in words. */
export const describeDistance = (goal: Goal, before: number, now: number): string => {
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  return goal === 'few-hosts'
    ? `${before} of the hosts that are open were in use, and ${now} are now`
    : `loads differed by ${percent(before)} of a host, and differ by ${percent(now)} now`;
};

/**
 * How unevenly hosts are loaded: the root mean square of what separates the load of each, in each dimension, from the
 * site's. 0 is even; 0.1 is ten percent of a host up or down.
 */
export function imbalanceOf(layout: Layout): number {
  const terms = layout.loads();
  return terms === 0 ? 0 : Math.sqrt(Math.max(0, layout.unevenness()) / terms);
}
