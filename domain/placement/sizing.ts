import {
  amountOf,
  type BasicDimension,
  type Capacity,
  DIMENSIONS,
  type Dimension,
  deviceOf,
  dimensionsOfAll,
  isDevice,
} from '../units';
import type { LicencePool } from './licences';
import { fewestHosts } from './packing/bound';
import { firstFit } from './packing/first-fit';
import { pack } from './packing/pack';
import { MOST_DIMENSIONS, type PackingProblem } from './packing/problem';

/** What takes licences of the site: those of `needs`, by their numbers. */
export interface LicenceTakers extends LicencePool {
  readonly takers: readonly number[];
}

export interface SizingQuestion {
  /** Of each VEE. */
  readonly needs: readonly Capacity[];
  /** What each host has, all alike. */
  readonly host: Capacity;
  /** As many hosts are needed in any case: so many VEEs are kept off each other's. */
  readonly apart: number;
  /** Absent where nothing takes any. */
  readonly licences?: readonly LicenceTakers[];
}

/** How many of a licence are taken by all that is counted. */
export interface LicencesTaken extends LicencePool {
  /** By hosts: as few as those that take it are packed on by themselves, as others may be beside them. */
  readonly needed: number;
}

export interface Sizing {
  readonly vees: number;
  /** On so many they were packed. */
  readonly hosts: number;
  /** No packing has fewer. */
  readonly atLeast: number;
  /** How full those hosts would be, on average. */
  readonly loads: Readonly<Record<BasicDimension, number>>;
  /** The same of devices, by their name; absent where none are needed. */
  readonly deviceLoads?: Readonly<Record<string, number>>;
  /** What runs out first; absent where nothing is needed, or it is not for lack of anything that there are so many. */
  readonly scarcest?: Dimension;
  readonly licences?: readonly LicencesTaken[];
}

/** A VEE that no such host takes. */
export interface TooSmall {
  readonly dimension: Dimension;
  readonly need: number;
  readonly has: number;
}

/** The first thing of which some VEE needs more than a host has. */
export function tooSmallFor({ needs, host }: Pick<SizingQuestion, 'needs' | 'host'>): TooSmall | undefined {
  const dimensions = dimensionsOfAll(needs);
  for (const need of needs) {
    const dimension = dimensions.find((d) => amountOf(need, d) > amountOf(host, d));
    if (dimension) return { dimension, need: amountOf(need, dimension), has: amountOf(host, dimension) };
  }
  return undefined;
}

/**
 * How few hosts of a size hold so many VEEs, if all were placed anew? A figure for whoever buys hosts: of the rules only that
 * which keeps VEEs of a component apart counts, and no room is left for losses. (The reverse of what Ganeti's `hspace` answers.)
 * @param progress how much of the time is over, from 0 to 1
 * @throws {TooLarge} see `tooSmallFor`
 */
export function sizing(question: SizingQuestion, progress: () => number = () => 0): Sizing {
  const { needs, host, apart, licences = [] } = question;
  const all = packed(needs, host, progress);
  const hosts = Math.max(all.hosts, apart);
  const loads = dimensionsOfAll(needs).map((d): [Dimension, number] => {
    const total = needs.reduce((sum, n) => sum + amountOf(n, d), 0);
    return [d, total === 0 ? 0 : total / amountOf(host, d) / hosts];
  });
  const [scarcest] = [...loads].sort(([, a], [, b]) => b - a);
  const isForRoom = scarcest !== undefined && scarcest[1] > 0 && all.hosts >= apart;
  const devices = loads.flatMap(([d, load]) => (isDevice(d) ? [[deviceOf(d), load] as const] : []));
  const taken = licences.map(({ takers, ...pool }): LicencesTaken => {
    const of = takers.flatMap((n) => needs[n] ?? []);
    return { ...pool, needed: NEEDED[pool.per](of, host, progress) };
  });
  return {
    vees: needs.length,
    hosts,
    atLeast: Math.max(all.atLeast, apart),
    loads: Object.fromEntries(DIMENSIONS.map((d) => [d, new Map(loads).get(d) ?? 0])) as Sizing['loads'],
    ...(devices.length > 0 ? { deviceLoads: Object.fromEntries(devices) } : {}),
    ...(isForRoom ? { scarcest: scarcest[0] } : {}),
    ...(taken.length > 0 ? { licences: taken } : {}),
  };
}

const NEEDED: Readonly<
  Record<LicencePool['per'], (of: readonly Capacity[], host: Capacity, progress: () => number) => number>
> = {
  vee: (of) => of.length,
  core: (of) => of.reduce((cores, { cpuMillis }) => cores + Math.ceil(cpuMillis / 1_000), 0),
  host: (of, host, progress) => packed(of, host, progress).hosts,
};

/** In all that anything is needed of. Packing looks at four kinds of capacity; more of them are rare, and first fit will do. */
function packed(needs: readonly Capacity[], host: Capacity, progress: () => number) {
  const asked = dimensionsOfAll(needs).filter((d) => needs.some((n) => amountOf(n, d) > 0));
  const dimensions = asked.length > 0 ? asked : DIMENSIONS;
  const problem: PackingProblem = {
    items: needs.length,
    dimensions: dimensions.length,
    need: Float64Array.from(needs.flatMap((need) => dimensions.map((d) => amountOf(need, d)))),
    capacity: Float64Array.from(dimensions, (d) => amountOf(host, d)),
  };
  const found =
    dimensions.length <= MOST_DIMENSIONS ? pack(problem, 'sizing', { progress }) : firstFit(problem);
  return { hosts: found.hosts, atLeast: fewestHosts(problem).hosts };
}
