import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, open, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SluiceError } from '../../domain/errors';
import { type PinnedImage, pinnedText } from '../../domain/images/reference';
import type { ImageSource, Unpack, UnpackedImage } from '../contract';
import { readJson, writeJson } from './atomic-file';
import { type Held, ImageFolder, type Unpacked } from './image-folder';

export interface BlobPart {
  /** Of the whole blob. */
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Where blobs come from. @throws SluiceError `image-unknown` when there is none, `driver-failed` when it may pass */
export type FetchBlob = (digest: string, fromByte: number) => Promise<BlobPart>;

/**
 * The images of one agent's hosts. A VEE holds its image by a hard link in its own folder: so what is in use is seen in
 * the file system itself, after any crash, and is never taken away. The rest goes when room is needed, what was used
 * longest ago first.
 */
export class ImageCache implements ImageSource {
  private readonly folder: ImageFolder;
  private readonly budgetBytes: number;
  private readonly fetchBlob: FetchBlob;
  /** The file as it was when its content was last proven. */
  private readonly proven = new Map<string, string>();
  private readonly underWay = new Map<string, Promise<unknown>>();
  /** One thing at a time is done to a content: what is linked or unpacked is not taken away in the same moment. */
  private readonly locks = new Map<string, Promise<unknown>>();
  private making = Promise.resolve();
  /** Room that is taken by what has not come yet, by the digest of what is fetched or the root that is made. */
  private readonly coming = new Map<string, number>();
  private prepared: Promise<void> | undefined;

  /** @param folder on the file system that the hosts' folders are on */
  constructor(folder: string, budgetBytes: number, fetchBlob: FetchBlob) {
    this.folder = new ImageFolder(folder);
    this.budgetBytes = budgetBytes;
    this.fetchBlob = fetchBlob;
  }

  fetch(image: PinnedImage): Promise<void> {
    const { digest } = image;
    return this.once(digest, () => this.locked(digest, () => this.bring(image)));
  }

  async link(image: PinnedImage, path: string): Promise<void> {
    const { digest } = image;
    const held = await stat(path).catch(() => undefined);
    if (held && (await this.isProven(path, digest))) return;
    await rm(path, { force: true });
    for (;;) {
      await this.fetch(image);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      try {
        await this.locked(digest, () => link(this.folder.blob(digest), path));
        return;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EXDEV')
          throw new SluiceError('driver-refused', 'Images and VEEs of a host have to be on one file system.');
        // It was taken away for another in the very moment.
        if (code !== 'ENOENT') throw error;
      }
    }
  }

  async unpacked(image: PinnedImage, path: string, unpack: Unpack): Promise<UnpackedImage> {
    // From here on it is in use: neither it nor its root is taken away.
    await this.link(image, path);
    const root = this.folder.root(image);
    const work = async () => {
      const known = await readJson<Unpacked>(this.folder.record(root));
      if (known) return { ...known, path: root };
      const into = `${root}.making`;
      await rm(into, { recursive: true, force: true });
      await rm(root, { recursive: true, force: true });
      await mkdir(into, { recursive: true });
      try {
        const made = await unpack(path, into, (bytes) => this.makeRoom(root, bytes, image));
        await rename(into, root);
        await writeJson(this.folder.record(root), { ...made, path: root });
        return { ...made, path: root };
      } catch (error) {
        await rm(into, { recursive: true, force: true });
        throw error;
      } finally {
        this.coming.delete(root);
      }
    };
    return this.once(root, () => this.locked(image.digest, work));
  }

  private async locked<T>(digest: string, work: () => Promise<T>): Promise<T> {
    const before = this.locks.get(digest) ?? Promise.resolve();
    const mine = before.then(work);
    const settled = mine.catch(() => undefined);
    this.locks.set(digest, settled);
    try {
      return await mine;
    } finally {
      if (this.locks.get(digest) === settled) this.locks.delete(digest);
    }
  }

  private prepare(): Promise<void> {
    this.prepared ??= this.folder.prepare().catch((error) => {
      this.prepared = undefined;
      throw error;
    });
    return this.prepared;
  }

  /** However many need it at once, it is done once. */
  private once<T>(key: string, work: () => Promise<T>): Promise<T> {
    const known = this.underWay.get(key);
    if (known) return known as Promise<T>;
    const mine = work().finally(() => this.underWay.delete(key));
    this.underWay.set(key, mine);
    return mine;
  }

  private async bring(image: PinnedImage): Promise<void> {
    const { digest } = image;
    const path = this.folder.blob(digest);
    await this.prepare();
    const held = await stat(path).catch(() => undefined);
    if (held) {
      if (await this.isProven(path, digest)) return this.touch(path);
      await rm(path, { force: true });
    }
    const partial = this.folder.partial(digest);
    const fromByte = (await stat(partial).catch(() => undefined))?.size ?? 0;
    const { sizeBytes, content } = await this.fetchBlob(digest, fromByte);
    try {
      await this.makeRoom(digest, sizeBytes, image);
      if (fromByte < sizeBytes) await append(partial, content);
    } catch (cause) {
      if (cause instanceof SluiceError) throw cause;
      const full = (cause as NodeJS.ErrnoException).code === 'ENOSPC';
      const why = full ? 'this host’s disk is full' : 'it will be gone on with';
      throw new SluiceError('driver-failed', `The image ${image.name} did not come whole: ${why}.`, {
        cause,
      });
    } finally {
      this.coming.delete(digest);
    }
    const came = (await stat(partial)).size;
    if (came < sizeBytes || !(await this.isProven(partial, digest))) {
      if (came >= sizeBytes) await rm(partial, { force: true });
      throw new SluiceError(
        'driver-failed',
        came < sizeBytes
          ? `Of the image ${image.name} ${came} of ${sizeBytes} bytes have come so far.`
          : `What came as ${pinnedText(image)} is something else; it is fetched anew.`,
      );
    }
    await rename(partial, path);
  }

  /** Is it what its name says? Read once for as long as the file stays as it is. */
  private async isProven(path: string, digest: string): Promise<boolean> {
    const { ino, size, mtimeMs } = await stat(path);
    const seen = `${ino} ${size} ${mtimeMs}`;
    if (this.proven.get(digest) === seen) return true;
    const hash = createHash('sha256');
    await pipeline(createReadStream(path), hash);
    if (hash.digest('hex') !== digest) return false;
    this.proven.set(digest, seen);
    return true;
  }

  /** One after the other: two that come at once need room for both. @param bytes more than it has taken for that so far */
  private async makeRoom(of: string, bytes: number, image: PinnedImage): Promise<void> {
    const mine = this.making.then(() => this.evictFor(of, bytes, image));
    this.making = mine.catch(() => undefined);
    return mine;
  }

  private async evictFor(of: string, more: number, image: PinnedImage): Promise<void> {
    // What is being fetched has taken its room already.
    const held = (await this.folder.held()).filter((h) => h.digest !== of && !this.coming.has(h.digest));
    const bytes = (this.coming.get(of) ?? 0) + more;
    const own = bytes + (held.find((h) => h.digest === image.digest)?.bytes ?? 0);
    if (own > this.budgetBytes)
      throw new SluiceError(
        'driver-refused',
        `The image ${image.name} takes ${own} bytes, more than this host keeps of images (SLUICE_IMAGE_CACHE_MIB).`,
      );
    let used = more + [...this.coming.values(), ...held.map((h) => h.bytes)].reduce((sum, b) => sum + b, 0);
    const idle = held.filter((h) => !h.inUse).sort((a, b) => a.usedAt - b.usedAt);
    for (const { digest, bytes: freed } of idle) {
      if (used <= this.budgetBytes) break;
      // Something goes on with it; to wait for that could be to wait for each other.
      if (this.locks.has(digest)) continue;
      if (!(await this.locked(digest, () => this.folder.evict(digest)))) continue;
      this.proven.delete(digest);
      used -= freed;
    }
    if (used > this.budgetBytes)
      throw new SluiceError(
        'driver-failed',
        `There is no room for the image ${image.name}: VEEs of this host use ${used - more} bytes of images.`,
      );
    this.coming.set(of, bytes);
  }

  held(): Promise<Held[]> {
    return this.folder.held();
  }

  private async touch(path: string): Promise<void> {
    const { mtime } = await stat(path);
    await utimes(path, new Date(), mtime);
  }
}

/** What has come before a cut is kept, to the last byte: a stream would throw away what it has not written yet. */
async function append(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'a');
  try {
    for await (const chunk of content) await file.writeFile(chunk);
  } finally {
    await file.close();
  }
}
