import { lstatSync, readlinkSync } from 'node:fs';
import { chmod, lstat, mkdir, open, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join, posix } from 'node:path';
import { extract, list, type ReadEntry } from 'tar';
import { SluiceError } from '../../domain/errors';
import { type ArchiveBounds, entryRefusal } from '../../domain/images/archive';

/** Where the runtime mounts something: nothing can be made in a root that is read-only. */
const MOUNT_POINTS = ['proc', 'sys', 'dev', 'tmp', 'run', 'data', 'etc'];
const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const MOST_LINKS = 40;
const ZSTD_MAGIC = 0xfd2fb528;
/** Unpacked at once, up to a thousand times as much: nothing else is done meanwhile. */
const READ_BYTES = 16_384;
/** Set user and group id. */
const SET_ID = 0o6000;

/** Asks for so many bytes more of the disk. @throws where there are none */
export type Room = (bytes: number) => Promise<void>;

/**
 * Unpacks an archive over what is in a folder already. Somebody else's archive: each entry is looked at before the first
 * of them is written, and none is written through a link that leads out.
 * @throws SluiceError `driver-refused`
 */
export async function unpackLayer(
  file: string,
  root: string,
  bounds: ArchiveBounds,
  room: Room = async () => undefined,
): Promise<void> {
  const before = bounds.diskBytes;
  const removals = await look(file, bounds);
  await room(bounds.diskBytes - before);
  for (const path of removals) await takeAway(root, path);
  const place = (path: string) => within(root, path);
  let refused: string | undefined;
  await reading(file, () =>
    extract({
      ...{ file, cwd: root, strict: true, preservePaths: false, maxReadSize: READ_BYTES },
      filter: (path, entry) => {
        if (basename(path).startsWith(WHITEOUT) || !isReadEntry(entry)) return false;
        entry.path = place(entry.path);
        // It lies on the host, too, where nothing of a tenant's may run as somebody else.
        if (entry.mode !== undefined) entry.mode &= ~SET_ID;
        const { type, linkpath = '' } = entry;
        if (type === 'Link') entry.linkpath = place(linkpath);
        if (type === 'SymbolicLink') entry.linkpath = insideLink(entry.path, linkpath);
        // Where it really comes to lie a link may lead out that did not where the archive has it.
        refused ??= entryRefusal({ path: entry.path, type, linkPath: entry.linkpath, sizeBytes: 0 });
        if (refused !== undefined) return false;
        return true;
      },
    }),
  );
  if (refused !== undefined) throw refuse(`The image holds what it must not: ${refused}.`);
}

/** @returns what the layer takes away of those below it */
async function look(file: string, bounds: ArchiveBounds): Promise<string[]> {
  await refuseZstd(file);
  bounds.begin();
  let refused: string | undefined;
  const removals: string[] = [];
  await reading(file, () =>
    list({
      ...{ file, strict: true, maxDecompressionRatio: 1_000, maxReadSize: READ_BYTES },
      onReadEntry: ({ path, type, linkpath, size }) => {
        refused ??= bounds.take({ path, type, linkPath: linkpath, sizeBytes: size });
        if (basename(path).startsWith(WHITEOUT)) removals.push(path);
      },
    }),
  );
  if (refused !== undefined) throw refuse(`The image holds what it must not: ${refused}.`);
  return removals;
}

async function takeAway(root: string, whiteout: string): Promise<void> {
  const folder = join(root, posix.dirname(within(root, `${dirname(whiteout)}/x`)));
  if (basename(whiteout) !== OPAQUE) {
    const name = basename(whiteout).slice(WHITEOUT.length);
    if (name !== '' && name !== '.' && name !== '..')
      await rm(join(folder, name), { recursive: true, force: true });
    return;
  }
  for (const name of await readdir(folder).catch(() => []))
    await rm(join(folder, name), { recursive: true, force: true });
}

/** The same path with the links of its folders followed inside the root, as what runs there follows them. */
export function within(root: string, path: string): string {
  let done = '';
  let links = 0;
  const parts = posix
    .normalize(path)
    .split('/')
    .filter((p) => p !== '' && p !== '.');
  const last = parts.pop();
  while (parts.length > 0) {
    const part = parts.shift() as string;
    if (part === '..') {
      done = posix.dirname(done) === '.' ? '' : posix.dirname(done);
      continue;
    }
    const next = done === '' ? part : `${done}/${part}`;
    const target = linkAt(join(root, next));
    if (target === undefined) {
      done = next;
      continue;
    }
    if (++links > MOST_LINKS) throw refuse('The image has links that lead in a circle.');
    if (target.startsWith('/')) done = '';
    parts.unshift(...target.split('/').filter((p) => p !== '' && p !== '.'));
  }
  return [done, last ?? '.'].filter((p) => p !== '').join('/');
}

/**
 * The same place seen from inside, and none outside seen from outside: first up, and no higher than the root, then only down.
 */
function insideLink(path: string, target: string): string {
  const plain = posix.normalize(target);
  if (!plain.startsWith('/')) return plain;
  return `${'../'.repeat(path.split('/').length - 1)}${plain.slice(1)}` || '.';
}

function linkAt(path: string): string | undefined {
  const found = lstatSync(path, { throwIfNoEntry: false });
  return found?.isSymbolicLink() ? readlinkSync(path) : undefined;
}

/** What a root needs beside what was in the image. */
export async function finishRoot(root: string): Promise<void> {
  for (const name of MOUNT_POINTS)
    if (!(await lstat(join(root, name)).catch(() => undefined))) await mkdir(join(root, name));
  await chmod(root, 0o755);
}

async function refuseZstd(file: string): Promise<void> {
  const handle = await open(file, 'r');
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    if (bytesRead === 4 && buffer.readUInt32LE(0) === ZSTD_MAGIC)
      throw refuse('The image is compressed with zstd; take gzip, or none.');
  } finally {
    await handle.close();
  }
}

/** A disk that is full may be less so later; an archive that can't be read stays like that. */
async function reading(file: string, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    if (cause instanceof SluiceError) throw cause;
    if ((cause as NodeJS.ErrnoException).code === 'ENOSPC')
      throw new SluiceError('driver-failed', 'The disk of this host is full: the image can’t be unpacked.', {
        cause,
      });
    throw new SluiceError('driver-refused', `The archive ${basename(file)} can’t be unpacked.`, { cause });
  }
}

const isReadEntry = (entry: unknown): entry is ReadEntry => typeof (entry as ReadEntry).type === 'string';
export const refuse = (detail: string) => new SluiceError('driver-refused', detail);
