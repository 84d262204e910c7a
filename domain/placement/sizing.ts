import { type Capacity, DIMENSIONS, type Dimension, fits } from '../units';
import { fewestHosts } from './packing/bound';
import { pack } from './packing/pack';
import type { PackingProblem } from './packing/problem';

export interface SizingQuestion {
  /** Of each VEE. */
  readonly needs: readonly Capacity[];
  /** What each host has, all alike. */
  readonly host: Capacity;
  /** As many hosts are needed in any case: so many VEEs are kept off each other's. */
  readonly apart: number;
}

export interface Sizing {
  readonly vees: number;
  /** On so many they were packed. */
  readonly hosts: number;
  /** No packing has fewer. */
  readonly atLeast: number;
  /** How full those hosts would be, on average. */
  readonly loads: Readonly<Record<Dimension, number>>;
  /** What runs out first; absent where nothing is needed, or it is not for lack of anything that there are so many. */
  readonly scarcest?: Dimension;
}

/** A VEE that no such host takes. */
export interface TooSmall {
  readonly dimension: Dimension;
  readonly need: number;
  readonly has: number;
}

/** The first thing of which some VEE needs more than a host has. */
export function tooSmallFor({ needs, host }: Pick<SizingQuestion, 'needs' | 'host'>): TooSmall | undefined {
  const large = needs.find((need) => !fits(host, need));
  const dimension = large && DIMENSIONS.find((d) => large[d] > host[d]);
  return large && dimension && { dimension, need: large[dimension], has: host[dimension] };
}

/**
 * How few hosts of a size hold so many VEEs, if all were placed anew? A figure for whoever buys hosts: of the rules only that
 * which keeps VEEs of a component apart counts, and no room is left for losses. (The reverse of what Ganeti's `hspace` answers.)
 * @param progress how much of the time is over, from 0 to 1
 * @throws {TooLarge} see `tooSmallFor`
 */
export function sizing({ needs, host, apart }: SizingQuestion, progress: () => number = () => 0): Sizing {
  const problem: PackingProblem = {
    items: needs.length,
    dimensions: DIMENSIONS.length,
    need: Float64Array.from(needs.flatMap((need) => DIMENSIONS.map((d) => need[d]))),
    capacity: Float64Array.from(DIMENSIONS, (d) => host[d]),
  };
  const bound = fewestHosts(problem);
  const packed = pack(problem, 'sizing', { progress });
  const hosts = Math.max(packed.hosts, apart);
  const totals = DIMENSIONS.map((d): [Dimension, number] => [d, needs.reduce((sum, n) => sum + n[d], 0)]);
  const loads = totals.map(([d, total]): [Dimension, number] => [
    d,
    hosts === 0 || host[d] === 0 ? 0 : total / host[d] / hosts,
  ]);
  const [scarcest] = [...loads].sort(([, a], [, b]) => b - a);
  const isForRoom = scarcest !== undefined && scarcest[1] > 0 && packed.hosts >= apart;
  return {
    vees: needs.length,
    hosts,
    atLeast: Math.max(bound.hosts, apart),
    loads: Object.fromEntries(loads) as Record<Dimension, number>,
    ...(isForRoom ? { scarcest: scarcest[0] } : {}),
  };
}
