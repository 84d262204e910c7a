import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SluiceError } from '../../domain/errors';
import { QCOW2_HEADER_BYTES, readQcow2 } from '../../domain/images/qcow2';
import { acceptsFormat, type PinnedImage, pinnedImage } from '../../domain/images/reference';
import { WARM_FILES } from '../../domain/images/warm';
import type { ImageSource } from '../contract';
import { BYTES_PER_MIB } from '../lib/machine-usage';
import { findOnPath, type RunOptions, type RunResult, run } from '../lib/program';
import { builtGuest, guestObstacle, testGuest } from './guest/build';
import { refused } from './layout';
import { readMachine, unpackWarm, type WarmMachine } from './warm';

/** What a machine's own disk is an overlay on. */
export interface BaseDisk {
  readonly path: string;
  readonly format: 'qcow2' | 'raw';
}

export type QemuImage = (
  | { readonly kind: 'kernel'; readonly kernel: string; readonly initrd: string; readonly disk?: BaseDisk }
  | ({ readonly kind: 'disk' } & BaseDisk)
) & {
  readonly digest: string;
  readonly leastMemoryMiB: number;
  readonly leastDiskMiB: number;
  readonly warm?: WarmMachine;
};

export const baseOf = (image: QemuImage): BaseDisk | undefined =>
  image.kind === 'disk' ? image : image.disk;
/** Of which guest a machine is that boots from none of its disks. */
export const guestOf = ({ kind, warm, digest }: QemuImage): string | undefined =>
  kind === 'kernel' ? (warm?.guest ?? digest) : undefined;

/** The machine that is built here from Debian's packages. */
export const TEST_GUEST = 'sluice-guest';
/** With 80 the kernel has no room to unpack its first file system. */
const GUEST_MEMORY_MIB = 96;
const DISK_IMAGE_MEMORY_MIB = 64;
/** A check reads an image's tables only: of a sound image of 64 GiB some 10 MiB. */
const CHECK_MILLIS = 300_000;
const TOOL_CPU_SECONDS = 120;
const TOOL_MEMORY_BYTES = 2 * 1_024 ** 3;
const FLATTEN_MILLIS = 600_000;
const NAME = /^([a-z0-9][a-z0-9._-]{0,127})\.(qcow2|raw)$/;

export const imagesDir = (): string =>
  process.env.SLUICE_QEMU_IMAGES ??
  join(process.env.XDG_DATA_HOME ?? join(homedir(), '.local', 'share'), 'sluice', 'images');

/** Of a VEE that runs from an image of the registry: its hold on it, in its own folder. */
export const IMAGE_FILE = 'image';

/** What machines are begun from: the test guest, each `<name>.qcow2` or `<name>.raw` in a folder, and the registry's. */
export class Images {
  private readonly folder: string;
  private readonly registry: ImageSource | undefined;
  /** Contents of the registry that were looked at here. */
  private readonly checked = new Map<string, number>();
  private readonly digests = new Map<string, { readonly seen: string; readonly digest: string }>();

  constructor(folder = imagesDir(), registry?: ImageSource) {
    this.folder = folder;
    this.registry = registry;
  }

  async names(): Promise<string[]> {
    const files = await readdir(this.folder).catch(() => []);
    const own = (await builtGuest()) || !guestObstacle() ? [TEST_GUEST] : [];
    const registry = this.registry ? [acceptsFormat('qcow2'), acceptsFormat('raw')] : [];
    return [...own, ...files.flatMap((f) => NAME.exec(f)?.[1] ?? []).sort(), ...registry];
  }

  /** @param veeFolder of the VEE that is to run from it @throws SluiceError as `find`, and `driver-failed` while it can't be fetched */
  findFor(name: string, veeFolder: string): Promise<QemuImage> {
    const pinned = pinnedImage(name);
    return pinned ? this.fromRegistry(pinned, join(veeFolder, IMAGE_FILE)) : this.find(name);
  }

  private async fromRegistry(image: PinnedImage, path: string): Promise<QemuImage> {
    const { name, digest, format } = image;
    if (format === 'warm') return this.warm(image, path);
    if (!this.registry || (format !== 'qcow2' && format !== 'raw'))
      throw new SluiceError('image-unknown', `This host runs no ${format} images of the registry.`);
    await this.registry.link(image, path);
    const bytes =
      this.checked.get(`${digest}.${format}`) ??
      (format === 'qcow2' ? await checkQcow2(path, name) : (await stat(path)).size);
    this.checked.set(`${digest}.${format}`, bytes);
    const leastDiskMiB = Math.ceil(bytes / BYTES_PER_MIB);
    return { kind: 'disk', path, format, digest, leastMemoryMiB: DISK_IMAGE_MEMORY_MIB, leastDiskMiB };
  }

  private async warm(image: PinnedImage, path: string): Promise<QemuImage> {
    const { digest, name } = image;
    if (!this.registry) throw new SluiceError('image-unknown', 'This host runs no images of the registry.');
    const unpacked = await this.registry.unpacked(image, path, unpackWarm);
    const warm = await readMachine(unpacked.path);
    const { memoryMiB: leastMemoryMiB, diskMiB: leastDiskMiB } = warm.facts;
    const disk: BaseDisk = { path: join(unpacked.path, WARM_FILES.disk), format: 'qcow2' };
    const common = { digest, leastMemoryMiB, leastDiskMiB, warm };
    if (leastDiskMiB > 0 && !this.checked.has(`${digest}.warm`))
      this.checked.set(`${digest}.warm`, await checkQcow2(disk.path, name));
    if (!warm.guest) return { kind: 'disk', ...disk, ...common };
    const { kernel, initrd, digest: guest } = await testGuest();
    if (guest !== warm.guest)
      throw refused(`The image "${name}" is of another guest than the one that this host has.`);
    return { kind: 'kernel', kernel, initrd, ...(leastDiskMiB > 0 ? { disk } : {}), ...common };
  }

  /** @throws SluiceError `image-unknown`, or `driver-refused` for one that can't be used, or must not be */
  async find(name: string): Promise<QemuImage> {
    if (name === TEST_GUEST)
      return { kind: 'kernel', leastMemoryMiB: GUEST_MEMORY_MIB, leastDiskMiB: 0, ...(await testGuest()) };
    const files = await readdir(this.folder).catch(() => []);
    const file = files.find((f) => NAME.exec(f)?.[1] === name);
    if (!file) throw new SluiceError('image-unknown', `This host has no image "${name}".`);
    const path = join(this.folder, file);
    const format = file.endsWith('.qcow2') ? 'qcow2' : 'raw';
    const bytes = format === 'qcow2' ? await checkQcow2(path, name) : (await stat(path)).size;
    return {
      kind: 'disk',
      path,
      format,
      digest: await this.digestOf(path),
      leastMemoryMiB: DISK_IMAGE_MEMORY_MIB,
      leastDiskMiB: Math.ceil(bytes / BYTES_PER_MIB),
    };
  }

  /** Read once for as long as the file stays as it is. */
  private async digestOf(path: string): Promise<string> {
    const { size, mtimeMs, ino } = await stat(path);
    const seen = `${ino} ${size} ${mtimeMs}`;
    const known = this.digests.get(path);
    if (known?.seen === seen) return known.digest;
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    const digest = hash.digest('hex');
    this.digests.set(path, { seen, digest });
    return digest;
  }
}

/**
 * An image is somebody else's file: one that names another file of the host, to be read through it, is refused
 * before QEMU opens it.
 * @returns the disk's size in bytes
 */
async function checkQcow2(path: string, name: string): Promise<number> {
  const file = await open(path, 'r');
  const header = Buffer.alloc(QCOW2_HEADER_BYTES);
  try {
    await file.read(header, 0, QCOW2_HEADER_BYTES, 0);
  } finally {
    await file.close();
  }
  const found = readQcow2(header);
  if ('refused' in found) throw refused(`The image "${name}" ${found.refused}.`);
  const seen = await qemuImg(['check', '-q', '--output=json', '-f', 'qcow2', path], {
    timeoutMillis: CHECK_MILLIS,
    // A line for each fault: a small file can have more of them than there is time to read.
    ignoresErrors: true,
  });
  const { exitCode, signal } = seen;
  if (signal === 'SIGXCPU' || signal === 'SIGABRT')
    throw refused(`The image "${name}" takes more to be checked than any sound one.`);
  if (signal)
    throw new SluiceError('driver-failed', `The check of the image "${name}" was ended by ${signal}.`);
  // 3: it has clusters that nobody uses, which harms nothing.
  if (exitCode !== 0 && exitCode !== 3)
    throw new SluiceError('driver-refused', `The image "${name}" is corrupt.`, { cause: seen.stdout });
  return found.virtualBytes;
}

/** A new disk: what is written goes into it, what never was is read from the image. */
export async function createDisk(path: string, image: QemuImage, mib: number): Promise<void> {
  await mkdir(join(path, '..'), { recursive: true });
  const disk = baseOf(image);
  const base = disk ? ['-b', disk.path, '-F', disk.format] : [];
  await imageTool(['create', '-q', '-f', 'qcow2', ...base, path, `${mib}M`]);
}

export const growDisk = (path: string, mib: number): Promise<void> =>
  imageTool(['resize', '-q', '-f', 'qcow2', path, `${mib}M`]);

/** What it reads is somebody else's: it may take only so much of the host. */
function qemuImg(args: readonly string[], options?: RunOptions): Promise<RunResult> {
  const prlimit = findOnPath('prlimit');
  const limits = prlimit ? [prlimit, `--cpu=${TOOL_CPU_SECONDS}`, `--as=${TOOL_MEMORY_BYTES}`, '--'] : [];
  return run([...limits, 'qemu-img', ...args], options);
}

/** All that is on a disk that nobody writes to, in a file that needs no other. */
export async function flattenDisk(path: string, into: string): Promise<void> {
  const args = ['convert', '-q', '-f', 'qcow2', '-O', 'qcow2', path, into];
  requireDone(args, await run(['qemu-img', ...args], { timeoutMillis: FLATTEN_MILLIS }));
}

async function imageTool(args: readonly string[]): Promise<void> {
  requireDone(args, await qemuImg(args));
}

function requireDone([verb]: readonly string[], { exitCode, stderr }: RunResult): void {
  if (exitCode !== 0)
    throw new SluiceError(
      'driver-failed',
      `qemu-img ${verb} failed: ${stderr.trim().split('\n').at(-1) ?? ''}`,
    );
}
