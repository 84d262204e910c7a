import { SluiceError } from '../../domain/errors';
import type { Devices } from '../../domain/units';

/** The device nodes of each device, and those that every VEE with any of them has as well, such as `/dev/nvidiactl`. */
export interface NodesOfDevices {
  readonly each: readonly (readonly string[])[];
  readonly shared?: readonly string[] | undefined;
}

/** What a host's settings say it has of each device: so many, or these, of one node each or of several. */
export type HostDevices = Readonly<Record<string, number | readonly string[] | NodesOfDevices>>;

/** Which of them a VEE has, by name: their numbers, from 0. */
export type DeviceNumbers = Readonly<Record<string, readonly number[]>>;

/** What a VEE was given: the nodes as well where there are any, for numbers change their meaning with the settings. */
export interface GivenDevices {
  readonly devices?: DeviceNumbers;
  /** Absent also in records of earlier releases. Without those that are shared. */
  readonly nodes?: readonly string[];
}

const ofName = (host: HostDevices, name: string): number | NodesOfDevices => {
  const of = Object.hasOwn(host, name) ? (host[name] ?? 0) : 0;
  return Array.isArray(of) ? { each: of.map((node) => [node]) } : (of as number | NodesOfDevices);
};

const namesOf = (host: HostDevices) => Object.keys(host);

function countOf(host: HostDevices, name: string): number {
  const of = ofName(host, name);
  return typeof of === 'number' ? of : of.each.length;
}

export const countsOf = (devices: HostDevices): Devices =>
  Object.fromEntries(namesOf(devices).map((name) => [name, countOf(devices, name)]));

/** All nodes that only one VEE may have at a time. */
export const ownNodesOf = (host: HostDevices): string[] =>
  namesOf(host).flatMap((name) => {
    const of = ofName(host, name);
    return typeof of === 'number' ? [] : of.each.flat();
  });

/** Those that all with any of these devices have. */
export const sharedNodesOf = (host: HostDevices, names: readonly string[] = namesOf(host)): string[] => [
  ...new Set(
    names.flatMap((name) => {
      const of = ofName(host, name);
      return typeof of === 'number' ? [] : (of.shared ?? []);
    }),
  ),
];

/** A node that would be given twice, as it is there twice, or shared as well. */
export function repeatedNode(hosts: readonly HostDevices[]): string | undefined {
  const own = hosts.flatMap(ownNodesOf);
  const shared = new Set(hosts.flatMap((h) => sharedNodesOf(h)));
  return own.find((node, i) => shared.has(node) || own.indexOf(node) !== i);
}

/**
 * The first that no other has: by their nodes where both have any, by their numbers otherwise. Reservations see to it that
 * there are enough, but what is to go may still be there.
 * @throws SluiceError `driver-failed` until it has gone
 */
export function devicesFor(
  wanted: Devices,
  host: HostDevices,
  others: readonly GivenDevices[],
): Required<Pick<GivenDevices, 'devices'>> & GivenDevices {
  const heldNodes = new Set(others.flatMap((o) => o.nodes ?? nodesNumbered(host, o.devices)));
  const devices = Object.entries(wanted).map(([name, many]): [string, readonly number[]] => {
    const of = ofName(host, name);
    const heldNumbers = new Set(
      others.flatMap((o) => new Map(Object.entries(o.devices ?? {})).get(name) ?? []),
    );
    const isHeld = (n: number) =>
      typeof of === 'number' ? heldNumbers.has(n) : (of.each[n] ?? []).some((node) => heldNodes.has(node));
    const all = Array.from({ length: countOf(host, name) }, (_, n) => n);
    const free = all.filter((n) => !isHeld(n));
    if (free.length < many)
      throw new SluiceError(
        'driver-failed',
        `${many} of ${name} needed, but ${free.length} of ${all.length} are not in the hands of another VEE.`,
      );
    return [name, free.slice(0, many)];
  });
  const given = Object.fromEntries(devices);
  const nodes = nodesNumbered(host, given);
  return { devices: given, ...(nodes.length > 0 ? { nodes } : {}) };
}

/** Such as `SLUICE_DEVICE_GPU_A100=0,2`. */
export const deviceVariables = (numbers: DeviceNumbers = {}): Record<string, string> =>
  Object.fromEntries(
    Object.entries(numbers).map(([name, of]) => [
      `SLUICE_DEVICE_${name.toUpperCase().replaceAll('-', '_')}`,
      of.join(','),
    ]),
  );

/** All nodes of a VEE, the shared ones last. */
export const nodesOf = (host: HostDevices, { devices = {}, nodes }: GivenDevices): string[] => [
  ...(nodes ?? nodesNumbered(host, devices)),
  ...sharedNodesOf(
    host,
    Object.keys(devices).filter((name) => (devices[name]?.length ?? 0) > 0),
  ),
];

const nodesNumbered = (host: HostDevices, numbers: DeviceNumbers = {}): string[] =>
  Object.entries(numbers).flatMap(([name, of]) => {
    const nodes = ofName(host, name);
    return typeof nodes === 'number' ? [] : of.flatMap((n) => nodes.each[n] ?? []);
  });
