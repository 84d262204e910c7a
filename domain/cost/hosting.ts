import type { SlaClass } from '../manifest/sla-class';
import { add, type Capacity, DIMENSIONS, hasDevices } from '../units';
import type { HostEconomy, PowerCurve } from './host-economy';
import type { Tariff } from './tariff';

export const HOURS_A_MONTH = 730;
const HOURS_A_YEAR = 8_760;

export interface PricedHost extends HostEconomy {
  readonly capacity: Capacity;
}

/** A host on which nothing is reserved need not be awake, and costs nothing. */
export const isInUse = (reserved: Capacity): boolean =>
  DIMENSIONS.some((d) => reserved[d] > 0) || hasDevices(reserved);

/**
 * What a host draws: a straight line from idle to peak by the share of its CPU that is reserved (Fan, Weber and Barroso 2007
 * found it to be within some percent for whole machines). In watts.
 */
export function wattsOf(
  power: PowerCurve | undefined,
  capacity: Capacity,
  reserved: Capacity,
  inUse = isInUse(reserved),
): number {
  if (!power || !inUse) return 0;
  return power.idleWatts + (power.peakWatts - power.idleWatts) * cpuShare(capacity, reserved);
}

function cpuShare(capacity: Capacity, reserved: Capacity): number {
  if (reserved.cpuMillis <= 0) return 0;
  return Math.min(1, reserved.cpuMillis / Math.max(1, capacity.cpuMillis));
}

/** What a host costs in an hour with so much reserved on it: what is reserved, the host itself, its energy. */
export function hostingPerHour(host: PricedHost, reserved: Capacity, energyPerKWh: number): number {
  return hostingWith(host, reserved, energyPerKWh, isInUse(reserved));
}

function hostingWith(
  { price, power, capacity }: PricedHost,
  reserved: Capacity,
  energyPerKWh: number,
  inUse: boolean,
): number {
  if (!inUse) return 0;
  const energy = (wattsOf(power, capacity, reserved, true) / 1_000) * energyPerKWh;
  if (!price) return energy;
  const { perHour = 0, perCpuHour = 0, perMemoryGiBHour = 0 } = price;
  const { perDiskGiBHour = 0, perBandwidthGbpsHour = 0, perDeviceHour = {} } = price;
  const devices = Object.entries(reserved.devices ?? {}).reduce(
    (n, [name, many]) => n + many * (Object.hasOwn(perDeviceHour, name) ? (perDeviceHour[name] ?? 0) : 0),
    0,
  );
  return (
    energy +
    perHour +
    devices +
    (reserved.cpuMillis / 1_000) * perCpuHour +
    (reserved.memoryMiB / 1_024) * perMemoryGiBHour +
    (reserved.diskMiB / 1_024) * perDiskGiBHour +
    (reserved.bandwidthKbps / 1_000_000) * perBandwidthGbpsHour
  );
}

/** What a host costs an hour because it is in use at all, whatever is on it. */
export const ownPerHour = ({ price, power }: HostEconomy, energyPerKWh: number): number =>
  (price?.perHour ?? 0) + ((power?.idleWatts ?? 0) / 1_000) * energyPerKWh;

/** What a host costs an hour for something that is on it, beside what it costs by itself. */
export const sharePerHour = (host: PricedHost, need: Capacity, energyPerKWh: number): number =>
  hostingWith(host, need, energyPerKWh, true) - ownPerHour(host, energyPerKWh);

/** By how much more a host costs an hour once something comes to it. */
export const addedPerHour = (
  host: PricedHost & { readonly reserved: Capacity },
  need: Capacity,
  energyPerKWh: number,
): number =>
  hostingPerHour(host, add(host.reserved, need), energyPerKWh) -
  hostingPerHour(host, host.reserved, energyPerKWh);

/** What is to be expected to be paid an hour for a VEE, as its host fails so often. */
export const compensationPerHour = (
  { failuresPerYear = 0 }: HostEconomy,
  slaClass: SlaClass,
  { compensation }: Pick<Tariff, 'compensation'>,
): number => (failuresPerYear / HOURS_A_YEAR) * compensation[slaClass];
