import { SluiceError } from '../../domain/errors';
import type { Devices } from '../../domain/units';

/** What a host's settings say it has of each device: so many, or these device nodes. */
export type HostDevices = Readonly<Record<string, number | readonly string[]>>;

/** Which of them a VEE has, by name: their numbers, from 0. */
export type DeviceNumbers = Readonly<Record<string, readonly number[]>>;

export const countsOf = (devices: HostDevices): Devices =>
  Object.fromEntries(
    Object.entries(devices).map(([name, of]) => [name, typeof of === 'number' ? of : of.length]),
  );

/**
 * The lowest numbers that no other has. Reservations see to it that there are enough, but what is to go may still be there.
 * @throws SluiceError `driver-failed` until it has gone
 */
export function numbersFor(
  wanted: Devices,
  host: HostDevices,
  others: readonly DeviceNumbers[],
): DeviceNumbers {
  const counts = new Map(Object.entries(countsOf(host)));
  const given = Object.entries(wanted).map(([name, many]) => {
    const taken = new Set(others.flatMap((o) => new Map(Object.entries(o)).get(name) ?? []));
    const all = Array.from({ length: counts.get(name) ?? 0 }, (_, n) => n);
    const free = all.filter((n) => !taken.has(n));
    if (free.length < many)
      throw new SluiceError(
        'driver-failed',
        `${many} of ${name} needed, but ${free.length} of ${all.length} are not in the hands of another VEE.`,
      );
    return [name, free.slice(0, many)];
  });
  return Object.fromEntries(given);
}

/** Such as `SLUICE_DEVICE_GPU_A100=0,2`. */
export const deviceVariables = (numbers: DeviceNumbers = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(numbers).map(([name, of]) => [
      `SLUICE_DEVICE_${name.toUpperCase().replaceAll('-', '_')}`,
      of.join(','),
    ]),
  );

/** The nodes of those that have any. */
export const nodesOf = (host: HostDevices, numbers: DeviceNumbers = {}): string[] =>
  Object.entries(numbers).flatMap(([name, of]) => {
    const nodes = new Map(Object.entries(host)).get(name);
    return typeof nodes === 'object' ? of.flatMap((n) => nodes[n] ?? []) : [];
  });
