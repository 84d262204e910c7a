import type { ServiceId } from '../ids';
import { blended, type Usage } from '../measured';
import type { SnapshotHost } from '../placement/model';
import { keptFrom } from '../placement/promised';
import { amountOf, type Capacity, type Dimension, loadIn, subtract } from '../units';
import type { BalancedVee } from './model';

/** A host of a layout, in numbers by dimension. */
export interface Place {
  readonly host: SnapshotHost;
  readonly used: number[];
  /** What hosts are evened out in: what is used, or as measured, by the policy. Of devices nothing. */
  readonly load: number[];
  /** What load is a share of. */
  readonly capacity: readonly number[];
  /** What may be in use of it: the rest is promised to reservations, now or later. */
  readonly limit: readonly number[];
  readonly residents: Map<ServiceId, Set<BalancedVee>>;
}

/**
 * As decisions count it, but in what the host has where it is measured: a VEE uses as much on a host that gives out more than it has
 * as on another.
 */
function measuredLoad(
  { capacity, reserved, measured, physical }: SnapshotHost,
  part: number,
): { readonly load: Capacity; readonly capacity: Capacity } {
  if (!measured || !physical) return { load: blended(reserved, measured, part), capacity };
  const inUse = (key: keyof Usage) =>
    capacity[key] > 0 ? (measured[key] * physical[key]) / capacity[key] : measured[key];
  const used = { cpuMillis: inUse('cpuMillis'), memoryMiB: inUse('memoryMiB') };
  return { load: blended(reserved, used, part), capacity: blended(capacity, physical, part) };
}

export function placeOf(
  host: SnapshotHost,
  dimensions: readonly Dimension[],
  part: number,
  at: number,
): Place {
  const { load, capacity } = measuredLoad(host, part);
  const kept = keptFrom(host, at);
  const limit = kept ? subtract(host.capacity, kept) : host.capacity;
  return {
    host,
    load: dimensions.map((d) => loadIn(load, d)),
    used: dimensions.map((d) => amountOf(host.reserved, d)),
    capacity: dimensions.map((d) => amountOf(capacity, d)),
    limit: dimensions.map((d) => amountOf(limit, d)),
    residents: new Map(),
  };
}

/** As a share. */
export const loadOf = ({ load, capacity }: Place, d: number): number =>
  (capacity[d] ?? 0) === 0 ? 0 : (load[d] ?? 0) / (capacity[d] ?? 1);
