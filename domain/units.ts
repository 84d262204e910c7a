/**
 * What hosts have and VEEs need. All are integers: CPU in thousandths of a core, memory and disk in MiB (2^20 bytes), bandwidth
 * in kbit/s, and devices (GPUs, say) in whole numbers by their name.
 */
export interface Capacity {
  readonly cpuMillis: number;
  readonly memoryMiB: number;
  readonly diskMiB: number;
  readonly bandwidthKbps: number;
  /** Absent where there are none; of a name that is not in it there are none. */
  readonly devices?: Devices | undefined;
}

export type Devices = Readonly<Record<string, number>>;

/** Those that every host has. What has to heed devices too goes through `dimensionsOf`. */
export const DIMENSIONS = ['cpuMillis', 'memoryMiB', 'diskMiB', 'bandwidthKbps'] as const;
export type BasicDimension = (typeof DIMENSIONS)[number];
export type DeviceDimension = `device:${string}`;
export type Dimension = BasicDimension | DeviceDimension;

const DEVICE = 'device:';

export const isDevice = (d: Dimension): d is DeviceDimension => d.startsWith(DEVICE);

/** As in a manifest. */
export const deviceOf = (d: DeviceDimension): string => d.slice(DEVICE.length);

/** All in which any of these has something: the four, and then devices in the order of their names. */
export function dimensionsOf(...all: readonly Capacity[]): readonly Dimension[] {
  return dimensionsOfAll(all);
}

/** The same of many, such as all hosts of a site. */
export function dimensionsOfAll(all: Iterable<Capacity>): readonly Dimension[] {
  let names: Set<string> | undefined;
  for (const { devices } of all) {
    if (devices === undefined) continue;
    names ??= new Set();
    for (const name of Object.keys(devices)) names.add(name);
  }
  return names
    ? [...DIMENSIONS, ...[...names].sort().map((n): DeviceDimension => `${DEVICE}${n}`)]
    : DIMENSIONS;
}

/** The names of all devices of which any of these has some, in order. */
export const devicesOfAll = (all: Iterable<Capacity>): string[] =>
  dimensionsOfAll(all).flatMap((d) => (isDevice(d) ? [deviceOf(d)] : []));

export const amountOf = (of: Capacity, d: Dimension): number =>
  isBasic(d) ? of[d] : devicesIn(of, deviceOf(d));

/** A name may be one that every object has, such as `constructor`. */
const devicesIn = ({ devices }: Capacity, name: string): number =>
  devices !== undefined && Object.hasOwn(devices, name) ? (devices[name] ?? 0) : 0;

// Asked millions of times: no look at the text of a name.
const isBasic = (d: Dimension): d is BasicDimension =>
  d === 'cpuMillis' || d === 'memoryMiB' || d === 'diskMiB' || d === 'bandwidthKbps';

const NAMES: Readonly<Record<BasicDimension, string>> = {
  cpuMillis: 'CPU',
  memoryMiB: 'memory',
  diskMiB: 'disk',
  bandwidthKbps: 'bandwidth',
};

/** As manifests and answers of the API call it. */
export const termOf = (d: Dimension): string => (isBasic(d) ? d : deviceOf(d));

/** As people call it. */
export const nameOf = (d: Dimension): string => (isBasic(d) ? NAMES[d] : deviceOf(d));

export const ZERO: Capacity = { cpuMillis: 0, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 };

function combine(a: Capacity, b: Capacity, f: (x: number, y: number) => number): Capacity {
  const basic = {
    cpuMillis: f(a.cpuMillis, b.cpuMillis),
    memoryMiB: f(a.memoryMiB, b.memoryMiB),
    diskMiB: f(a.diskMiB, b.diskMiB),
    bandwidthKbps: f(a.bandwidthKbps, b.bandwidthKbps),
  };
  if (a.devices === undefined && b.devices === undefined) return basic;
  const names = new Set([...Object.keys(a.devices ?? {}), ...Object.keys(b.devices ?? {})]);
  const devices = [...names].flatMap((name): [string, number][] => {
    const many = f(devicesIn(a, name), devicesIn(b, name));
    return many === 0 ? [] : [[name, many]];
  });
  return devices.length === 0 ? basic : { ...basic, devices: Object.fromEntries(devices) };
}

export const add = (a: Capacity, b: Capacity) => combine(a, b, (x, y) => x + y);
export const subtract = (a: Capacity, b: Capacity) => combine(a, b, (x, y) => x - y);
/** In each dimension the larger of the two. */
export const larger = (a: Capacity, b: Capacity) => combine(a, b, Math.max);
/** Nothing where there is less than nothing: a host that has come back with less than it had holds more than it has. */
export const atLeastNothing = (of: Capacity) => combine(of, ZERO, Math.max);
/** As far as it is load: to even out devices helps nobody, and leaves no host with many of them. */
export const loadIn = (of: Capacity, d: Dimension): number => (isBasic(d) ? of[d] : 0);
export const hasDevices = ({ devices }: Capacity) =>
  devices !== undefined && Object.values(devices).some((many) => many > 0);
export const withoutDevices = (of: Capacity): Capacity =>
  of.devices === undefined ? of : { ...of, devices: undefined };
export const sum = (all: readonly Capacity[]) => all.reduce(add, ZERO);

export const sameCapacity = (a: Capacity, b: Capacity) => differences(a, b).length === 0;

/** The dimensions in which two differ. */
export const differences = (a: Capacity, b: Capacity): Dimension[] =>
  dimensionsOf(a, b).filter((d) => amountOf(a, d) !== amountOf(b, d));

/**
 * The dimensions in which `need` exceeds `free`, each with by how much; empty when it fits. What needs no device may be where
 * more of them are held than there are.
 */
export function shortages(
  free: Capacity,
  need: Capacity,
): { dimension: Dimension; need: number; free: number }[] {
  if (fits(free, need)) return [];
  return dimensionsOf(need)
    .filter((d) => amountOf(need, d) > amountOf(free, d))
    .map((d) => ({ dimension: d, need: amountOf(need, d), free: amountOf(free, d) }));
}

export const fits = (free: Capacity, need: Capacity) =>
  DIMENSIONS.every((d) => need[d] <= free[d]) &&
  (need.devices === undefined ||
    Object.entries(need.devices).every(([name, many]) => many <= devicesIn(free, name)));

/** The largest share of a host's capacity in any dimension: the one that runs out first. */
export function dominantShare(need: Capacity, of: Capacity): number {
  const share = Math.max(
    need.cpuMillis / Math.max(of.cpuMillis, 1),
    need.memoryMiB / Math.max(of.memoryMiB, 1),
    need.diskMiB / Math.max(of.diskMiB, 1),
    need.bandwidthKbps / Math.max(of.bandwidthKbps, 1),
  );
  if (need.devices === undefined) return share;
  return Object.entries(need.devices).reduce(
    (most, [name, many]) => Math.max(most, many / Math.max(devicesIn(of, name), 1)),
    share,
  );
}
