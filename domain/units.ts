/**
 * The four dimensions that this release places by. All are integers: CPU in thousandths of a core,
 * memory and disk in MiB (2^20 bytes), bandwidth in kbit/s.
 */
export interface Capacity {
  readonly cpuMillis: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
  readonly bandwidthKbps: number;
}

export const DIMENSIONS = ['cpuMillis', 'memoryMiB', 'diskMiB', 'bandwidthKbps'] as const;
export type Dimension = (typeof DIMENSIONS)[number];

/** As people call them. */
export const DIMENSION_NAMES: Readonly<Record<Dimension, string>> = {
  cpuMillis: 'CPU',
  memoryMiB: 'memory',
  diskMiB: 'disk',
  bandwidthKbps: 'bandwidth',
};

export const ZERO: Capacity = { cpuMillis: 0, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 };

function combine(a: Capacity, b: Capacity, f: (x: number, y: number) => number): Capacity {
  return {
    cpuMillis: f(a.cpuMillis, b.cpuMillis),
    memoryMiB: f(a.memoryMiB, b.memoryMiB),
    diskMiB: f(a.diskMiB, b.diskMiB),
    bandwidthKbps: f(a.bandwidthKbps, b.bandwidthKbps),
  };
}

export const add = (a: Capacity, b: Capacity) => combine(a, b, (x, y) => x + y);
export const subtract = (a: Capacity, b: Capacity) => combine(a, b, (x, y) => x - y);
/** In each dimension the larger of the two. */
export const larger = (a: Capacity, b: Capacity) => combine(a, b, Math.max);
export const sameCapacity = (a: Capacity, b: Capacity) => DIMENSIONS.every((d) => a[d] === b[d]);
export const sum = (all: readonly Capacity[]) => all.reduce(add, ZERO);

/** The dimensions in which `need` exceeds `free`, each with by how much; empty when it fits. */
export function shortages(
  free: Capacity,
  need: Capacity,
): { dimension: Dimension; need: number; free: number }[] {
  return DIMENSIONS.filter((d) => need[d] > free[d]).map((d) => ({
    dimension: d,
    need: need[d],
    free: free[d],
  }));
}

export const fits = (free: Capacity, need: Capacity) => DIMENSIONS.every((d) => need[d] <= free[d]);

/** The largest share of a host's capacity in any dimension: the one that runs out first. */
export function dominantShare(need: Capacity, of: Capacity): number {
  const shares = [
    need.cpuMillis / Math.max(of.cpuMillis, 1),
    need.memoryMiB / Math.max(of.memoryMiB, 1),
    need.diskMiB / Math.max(of.diskMiB, 1),
    need.bandwidthKbps / Math.max(of.bandwidthKbps, 1),
  ];
  return Math.max(...shares);
}
