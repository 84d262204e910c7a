import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ServiceId, TenantId, VeeId } from '../../domain/ids';
import type { VeeSpec } from '../contract';
import { readJson, writeJson } from '../lib/atomic-file';
import { cacheDir } from '../lib/cache-dir';
import { findOnPath, run } from '../lib/program';
import { VeeRecords } from '../lib/vee-records';
import { writeContext } from './context';
import { builtGuest, guestObstacle, testGuest } from './guest/build';
import { Images, type QemuImage, TEST_GUEST } from './images';
import { type Layout, type MachineType, machineType } from './layout';
import { Machines } from './machines';

export const QEMU = 'qemu-system-x86_64';
const KVM_MILLIS = 8_000;

export interface Obstacle {
  readonly missing: string;
  readonly mend: string;
}

/** What keeps machines from running here, with the command that mends it; undefined when nothing does. */
export function qemuObstacle(): Obstacle | undefined {
  if (process.platform !== 'linux') return { missing: 'Linux', mend: 'run the agent on a Linux host' };
  const mend = 'apt-get install -y --no-install-recommends qemu-system-x86 qemu-utils';
  const missing = [QEMU, 'qemu-img'].find((program) => !findOnPath(program));
  return missing ? { missing, mend } : undefined;
}

/** `7.2.22` */
export async function qemuVersion(): Promise<string> {
  const { stdout } = await run([findOnPath(QEMU) ?? QEMU, '--version']);
  return /version ([0-9.]+)/.exec(stdout)?.[1] ?? 'unknown';
}

export const releaseOf = (version: string) => version.split('.').slice(0, 2).join('.');

export interface Accelerator {
  readonly name: 'kvm' | 'tcg';
  /** Why not the other, in a few words. */
  readonly because: string;
  /** In QEMU's own. */
  readonly detail?: string;
}

export const inWords = ({ name, because, detail }: Accelerator): string =>
  `${name === 'kvm' ? 'KVM' : 'emulation (TCG)'}: ${because}${detail ? ` (${detail})` : ''}`;

/**
 * KVM where a machine has booted under it, which the device's being there does not prove: on some hosts machines hang
 * under it. Tried once for as long as this host is up; emulation otherwise.
 */
export async function chooseAccelerator(images: Images, machine: MachineType): Promise<Accelerator> {
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK);
  } catch {
    return { name: 'tcg', because: 'there is no /dev/kvm that may be used' };
  }
  const image = await images.find(TEST_GUEST).catch(() => undefined);
  if (!image) return { name: 'tcg', because: 'no machine could be built to try KVM with' };
  const version = await qemuVersion();
  const boot = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '')).trim();
  const tried = join(cacheDir(), 'kvm.json');
  const key = [boot, version, image.digest, machine].join(' ');
  const known = await readJson<{ key: string; failure: string | null }>(tried);
  const failure =
    known?.key === key ? known.failure : ((await bootFailure(image, machine, releaseOf(version))) ?? null);
  if (known?.key !== key) await writeJson(tried, { key, failure });
  return failure === null
    ? { name: 'kvm', because: 'a machine has booted under it' }
    : { name: 'tcg', because: 'a machine did not boot under KVM', detail: failure };
}

/**
 * What takes its time, once and before agents begin: the guest is built, and KVM is tried.
 * @returns what keeps machines from running here, if anything does
 */
export async function prepareMachines(say: (line: string) => void): Promise<Obstacle | undefined> {
  const obstacle = qemuObstacle();
  if (obstacle) return obstacle;
  if (!guestObstacle() && !(await builtGuest())) {
    say('The guest of the image "sluice-guest" is built from Debian’s packages (about 33 MB, once).');
    await testGuest().catch((error: Error) => say(error.message));
  }
  say(`Machines run under ${inWords(await chooseAccelerator(new Images(), machineType()))}.`);
  return undefined;
}

const PROBE: VeeSpec = {
  veeId: 'vee-probe' as VeeId,
  epoch: 1,
  tenantId: 'sluice' as TenantId,
  serviceId: 'probe' as ServiceId,
  component: 'probe',
  index: 0,
  template: {
    image: TEST_GUEST,
    command: [],
    environment: {},
    capacity: { cpuMillis: 1_000, memoryMiB: 128, diskMiB: 0, bandwidthKbps: 0 },
    readiness: { kind: 'running' },
    stopGraceMillis: 0,
  },
};

/** @returns what came of it, if not a machine that is up */
async function bootFailure(
  image: QemuImage,
  machine: MachineType,
  qemu: string,
): Promise<string | undefined> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-kvm-'));
  const records = new VeeRecords(dataDir, false);
  const machines = new Machines(records, findOnPath(QEMU) ?? QEMU);
  const layout: Layout = {
    machine,
    accelerator: 'kvm',
    qemu,
    imageDigest: image.digest,
    bootMemoryMiB: 128,
    mostMemoryMiB: 256,
    dimmsMiB: [],
    bootVcpus: 1,
    mostVcpus: 1,
    pluggedVcpus: [],
    diskMiB: 0,
  };
  try {
    await mkdir(records.folder(PROBE.veeId), { recursive: true });
    await writeContext(records.folder(PROBE.veeId), PROBE);
    await machines.spawn(PROBE.veeId, layout, image);
    if (await machines.awaitAgent(PROBE.veeId, KVM_MILLIS)) return undefined;
    return (await machines.find(PROBE.veeId)) ? `it was not up after ${KVM_MILLIS / 1_000} s` : 'QEMU ended';
  } catch (error) {
    return (error as Error).message;
  } finally {
    await machines.end(PROBE.veeId, 0).catch(() => undefined);
    machines.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}
