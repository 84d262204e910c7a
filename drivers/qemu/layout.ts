import { SluiceError } from '../../domain/errors';
import type { Capacity } from '../../domain/units';

export type MachineType = 'pc' | 'q35';
const MACHINE_TYPES: readonly MachineType[] = ['pc', 'q35'];

/** What `SLUICE_QEMU_MACHINE` says, where nobody says otherwise. @throws SluiceError `driver-refused` for any other */
export function machineType(asked = process.env.SLUICE_QEMU_MACHINE ?? 'pc'): MachineType {
  const found = MACHINE_TYPES.find((m) => m === asked);
  if (!found) throw refused(`SLUICE_QEMU_MACHINE is one of ${MACHINE_TYPES.join(', ')}, not "${asked}".`);
  return found;
}

/**
 * What a machine is made of, apart from what is on its disk. One that is restored, or arrives from another host, is
 * made of the very same: what was plugged in while it ran stands on the next command line, too.
 */
export interface Layout {
  readonly machine: MachineType;
  readonly accelerator: 'tcg' | 'kvm';
  /** `7.2`: another release may know a device differently. */
  readonly qemu: string;
  /** The image's content: the firmware hands it over, so it has to be the same on both sides. */
  readonly imageDigest: string;
  readonly bootMemoryMiB: number;
  readonly mostMemoryMiB: number;
  /** Plugged in while it ran, each in MiB. */
  readonly dimmsMiB: readonly number[];
  readonly bootVcpus: number;
  readonly mostVcpus: number;
  readonly pluggedVcpus: readonly PluggedVcpu[];
  readonly diskMiB: number;
  /** Has it the disk for cloud-init, and its files from the firmware? Machines of earlier releases have neither. */
  readonly seed?: boolean;
  /** Its interfaces, in the order of its networks; absent where it is on none. */
  readonly nics?: readonly Nic[];
}

export interface Nic {
  readonly mac: string;
  /** Bytes. */
  readonly mtu: number;
}

export interface PluggedVcpu {
  readonly driver: string;
  readonly props: Readonly<Record<string, number>>;
}

/** Linux on x86 brings memory into use by blocks of so much. */
const DIMM_MIB = 128;
export const DIMM_SLOTS = 8;

export const vcpusOf = ({ cpuMillis }: Capacity): number => Math.max(1, Math.ceil(cpuMillis / 1_000));
export const totalMemoryMiB = ({ bootMemoryMiB, dimmsMiB }: Layout): number =>
  dimmsMiB.reduce((sum, d) => sum + d, bootMemoryMiB);
const vcpusIn = ({ bootVcpus, pluggedVcpus }: Layout): number => bootVcpus + pluggedVcpus.length;

export interface ResizePlan {
  /** To be plugged in; 0 for none. */
  readonly dimmMiB: number;
  /** What the balloon leaves to the guest. */
  readonly guestMemoryMiB: number;
  readonly moreVcpus: number;
  /** The disk's new size; 0 where it stays. */
  readonly growDiskToMiB: number;
}

/**
 * How a running machine comes to another size: memory by its balloon, beyond what it has by a DIMM; vCPUs are only
 * added (QEMU 7.2 crashes after one is taken away), disks only grow.
 * @param leastMemoryMiB what the image needs
 * @throws SluiceError `driver-refused` for what can't be done while it runs
 */
export function planResize(layout: Layout, to: Capacity, leastMemoryMiB: number): ResizePlan {
  const total = totalMemoryMiB(layout);
  const dimmMiB = Math.ceil(Math.max(0, to.memoryMiB - total) / DIMM_MIB) * DIMM_MIB;
  if (total + dimmMiB > layout.mostMemoryMiB || (dimmMiB > 0 && layout.dimmsMiB.length >= DIMM_SLOTS))
    throw refused(
      `It was started for ${layout.mostMemoryMiB} MiB of memory at most: to have ${to.memoryMiB} it has to be stopped.`,
    );
  if (to.memoryMiB < leastMemoryMiB)
    throw refused(`Its image needs ${leastMemoryMiB} MiB of memory, more than ${to.memoryMiB}.`);
  const moreVcpus = vcpusOf(to) - vcpusIn(layout);
  if (moreVcpus < 0)
    throw refused(
      `A vCPU can't be taken from a machine that runs: it has ${vcpusIn(layout)}, not ${vcpusOf(to)}.`,
    );
  if (vcpusOf(to) > layout.mostVcpus)
    throw refused(
      `It was started for ${layout.mostVcpus} vCPUs at most: to have ${vcpusOf(to)} it has to be stopped.`,
    );
  if (to.diskMiB < layout.diskMiB) throw shrinks(layout.diskMiB, to.diskMiB);
  if (to.diskMiB > 0 && layout.diskMiB === 0)
    throw refused('It was started without a disk: to have one it has to be stopped.');
  return {
    dimmMiB,
    guestMemoryMiB: to.memoryMiB,
    moreVcpus,
    growDiskToMiB: to.diskMiB > layout.diskMiB ? to.diskMiB : 0,
  };
}

/** What may be sent of its memory, if nothing is written meanwhile. */
export const memoryBytesOf = ({ bootMemoryMiB, dimmsMiB }: Layout): number =>
  dimmsMiB.reduce((sum, mib) => sum + mib, bootMemoryMiB) * 1_048_576;

export const shrinks = (fromMiB: number, toMiB: number) =>
  refused(`A disk only grows: it has ${fromMiB} MiB, more than ${toMiB}.`);

export const refused = (detail: string) => new SluiceError('driver-refused', detail);

/** Why a machine that is made like this can't run where they are made like that; undefined when it can. */
export function mismatch(coming: Layout, here: Layout): string | undefined {
  for (const key of ['accelerator', 'qemu', 'imageDigest', 'machine'] as const)
    if (coming[key] !== here[key]) return `its ${key} is ${coming[key]}, and here it is ${here[key]}`;
  return undefined;
}
