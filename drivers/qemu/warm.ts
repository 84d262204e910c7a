import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { extract } from 'tar';
import { SluiceError } from '../../domain/errors';
import { readWarm, WARM_FILES, type WarmFacts } from '../../domain/images/warm';
import type { Unpack, VeeSpec } from '../contract';
import { type Layout, refused, vcpusOf } from './layout';

/** Of an image that goes on instead of booting. */
export interface WarmMachine {
  /** What is unpacked of it, which nobody writes to. */
  readonly memoryPath: string;
  readonly layout: Layout;
  readonly facts: WarmFacts;
  /** Of the guest that it was booted from, where that was no disk. */
  readonly guest?: string;
}

/** In the folder of a VEE that is to go on from its image, until it has: it has not run yet, or not as itself. */
export const WARM_MARK = 'warm.pending';

type Made = Pick<Layout, 'machine' | 'accelerator' | 'qemu'>;

/** Hosts of the same name run each other's warm images. @param guest of a machine that boots from none of its disks */
export async function warmClass(made: Made, guest?: string): Promise<string> {
  const { qemu, accelerator, machine } = made;
  return [
    ...[qemu.replace(/[^a-z0-9]/g, '_'), accelerator, machine],
    // Under KVM a guest has seen the host's own processor.
    ...(accelerator === 'kvm' ? [await processor()] : []),
    ...(guest ? [guest.slice(0, 12)] : []),
  ].join('-');
}

async function processor(): Promise<string> {
  const text = await readFile('/proc/cpuinfo', 'utf8');
  const lines = ['model name', 'flags'].map(
    (key) => new RegExp(`^${key}\\s*:.*$`, 'm').exec(text)?.[0] ?? '',
  );
  return createHash('sha256').update(lines.join('\n')).digest('hex').slice(0, 12);
}

/** What `capture` leaves in a folder beside the memory and the disk. */
export async function describeWarm(
  folder: string,
  { template: { capacity }, networks = [] }: VeeSpec,
  layout: Layout,
  guest: string | undefined,
): Promise<WarmFacts> {
  const facts: WarmFacts = {
    on: await warmClass(layout, guest),
    memoryMiB: capacity.memoryMiB,
    vcpus: vcpusOf(capacity),
    diskMiB: capacity.diskMiB,
    interfaces: networks.length,
  };
  const machine = { layout, ...(guest ? { guest } : {}) };
  await writeFile(join(folder, WARM_FILES.about), JSON.stringify({ facts, machine }));
  return facts;
}

/** Takes its three files out of the archive, and nothing else that may be in it. */
export const unpackWarm: Unpack = async (archive, into, room) => {
  const names: readonly string[] = Object.values(WARM_FILES);
  await room((await stat(archive)).size);
  await mkdir(into, { recursive: true, mode: 0o700 });
  await extract({
    ...{ file: archive, cwd: into, strict: true },
    filter: (path, entry) => names.includes(path) && 'type' in entry && entry.type === 'File',
  });
  const sizes = await Promise.all(
    names.map((name) =>
      stat(join(into, name)).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  );
  return { bytes: sizes.reduce((sum, size) => sum + size, 0) };
};

/** @throws SluiceError `driver-refused` for what is none of this driver's */
export async function readMachine(folder: string): Promise<WarmMachine> {
  const text = await readFile(join(folder, WARM_FILES.about), 'utf8').catch((cause) => {
    throw new SluiceError('driver-refused', 'The image holds no machine.', { cause });
  });
  const about = readWarm(text);
  const { layout, guest } = (about?.machine ?? {}) as { layout?: Layout; guest?: string };
  if (!about || !layout) throw refused('The image holds no machine that QEMU could go on with.');
  return {
    memoryPath: join(folder, WARM_FILES.memory),
    ...{ layout, facts: about.facts },
    ...(guest ? { guest } : {}),
  };
}

/**
 * The machine as the image has it, with the VEE's own interfaces.
 * @throws SluiceError `driver-refused` where it can't be that
 */
export function warmLayout({ layout }: WarmMachine, digest: string, { template, networks }: VeeSpec): Layout {
  const { nics: had = [], ...rest } = layout;
  const nics = (networks ?? []).map(({ mac, mtu }) => ({ mac, mtu }));
  if (nics.length !== had.length || nics.some(({ mtu }, i) => mtu !== had[i]?.mtu))
    throw refused('Its image is of a machine on other networks: as many are needed, with the same MTUs.');
  const { diskMiB } = template.capacity;
  if (diskMiB !== layout.diskMiB)
    throw refused(`Its image is of a machine with ${layout.diskMiB} MiB of disk, and it has ${diskMiB}.`);
  return { ...rest, imageDigest: digest, ...(nics.length > 0 ? { nics } : {}) };
}

export const clearMark = (folder: string): Promise<void> => rm(join(folder, WARM_MARK), { force: true });
