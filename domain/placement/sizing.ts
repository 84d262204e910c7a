import { type BasicDimension, type Capacity, DIMENSIONS } from '../units';
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
  readonly loads: Readonly<Record<BasicDimension, number>>;
  /** What runs out first; absent where nothing is needed, or it is not for lack of anything that there are so many. */
  readonly scarcest?: BasicDimension;
}

/** A VEE that no such host takes. */
export interface TooSmall {
  readonly dimension: BasicDimension;
  readonly need: number;
  readonly has: number;
}

/** The first thing of which some VEE needs more than a host has. */
export function tooSmallFor({ needs, host }: Pick<SizingQuestion, 'needs' | 'host'>): TooSmall | undefined {
  for (const need of needs) {
    const dimension = DIMENSIONS.find((d) => need[d] > host[d]);
    if (dimension) return { dimension, need: need[dimension], has: host[dimension] };
  }
  return undefined;
}

/**
 * How few hosts of a size hold so many VEEs, if all were placed anew? A figure for whoever buys hosts: of the rules only that
 * which keeps VEEs of a component apart counts, devices do not, and no room is left for losses. (The reverse of what Ganeti's `hspace` answers.)
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
  const totals = DIMENSIONS.map((d): [BasicDimension, number] => [
    d,
    needs.reduce((sum, n) => sum + n[d], 0),
  ]);
  const loads = totals.map(([d, total]): [BasicDimension, number] => [
    d,
    hosts === 0 || host[d] === 0 ? 0 : total / host[d] / hosts,
  ]);
  const [scarcest] = [...loads].sort(([, a], [, b]) => b - a);
  const isForRoom = scarcest !== undefined && scarcest[1] > 0 && packed.hosts >= apart;
  return {
    vees: needs.length,
    hosts,
    atLeast: Math.max(bound.hosts, apart),
    loads: Object.fromEntries(loads) as Record<BasicDimension, number>,
    ...(isForRoom ? { scarcest: scarcest[0] } : {}),
  };
}
