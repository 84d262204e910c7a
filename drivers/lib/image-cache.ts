import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { link, mkdir, open, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { SluiceError } from '../../domain/errors';
import { type PinnedImage, pinnedText } from '../../domain/images/reference';
import type { ImageSource, UnpackedImage } from '../contract';
import { readJson, writeJson } from './atomic-file';

export interface BlobPart {
  /** Of the whole blob. */
  readonly sizeBytes: number;
  readonly content: AsyncIterable<Uint8Array>;
}

/** Where blobs come from. @throws SluiceError `image-unknown` when there is none, `driver-failed` when it may pass */
export type FetchBlob = (digest: string, fromByte: number) => Promise<BlobPart>;

interface Held {
  readonly digest: string;
  readonly bytes: number;
  readonly usedAt: number;
  readonly inUse: boolean;
}

/** It is there, and what of it is told of. */
interface Unpacking extends UnpackedImage {
  readonly bytes: number;
}

/**
 * The images of one agent's hosts. A VEE holds its image by a hard link in its own folder: so what is in use is seen in
 * the file system itself, after any crash, and is never taken away. The rest goes when room is needed, what was used
 * longest ago first.
 */
export class ImageCache implements ImageSource {
  private readonly folder: string;
  private readonly budgetBytes: number;
  private readonly fetchBlob: FetchBlob;
  /** The file as it was when its content was last proven. */
  private readonly proven = new Map<string, string>();
  private readonly underWay = new Map<string, Promise<unknown>>();
  private making = Promise.resolve();
  /** Room that is taken by what has not come yet. */
  private readonly coming = new Map<string, number>();

  /** @param folder on the file system that the hosts' folders are on */
  constructor(folder: string, budgetBytes: number, fetchBlob: FetchBlob) {
    this.folder = folder;
    this.budgetBytes = budgetBytes;
    this.fetchBlob = fetchBlob;
  }

  fetch(image: PinnedImage): Promise<void> {
    return this.once(image.digest, () => this.bring(image));
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
        await link(this.blobPath(digest), path);
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

  async unpacked(
    image: PinnedImage,
    path: string,
    unpack: (blobPath: string, into: string) => Promise<Omit<UnpackedImage, 'path'>>,
  ): Promise<UnpackedImage> {
    await this.link(image, path);
    const { digest } = image;
    return this.once(`unpack ${digest}`, async () => {
      const root = this.rootPath(digest);
      const known = await readJson<Unpacking>(`${root}.json`);
      if (known) return { ...known, path: root };
      const into = `${root}.making`;
      await rm(into, { recursive: true, force: true });
      await rm(root, { recursive: true, force: true });
      await mkdir(into, { recursive: true });
      try {
        const made = await unpack(path, into);
        await rename(into, root);
        // Last: a root without it is not whole.
        await writeJson(`${root}.json`, { ...made, path: root });
        return { ...made, path: root };
      } catch (error) {
        await rm(into, { recursive: true, force: true });
        throw error;
      }
    });
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
    const path = this.blobPath(digest);
    const held = await stat(path).catch(() => undefined);
    if (held) {
      if (await this.isProven(path, digest)) return this.touch(path);
      await rm(path, { force: true });
    }
    await mkdir(join(this.folder, 'blobs'), { recursive: true });
    await mkdir(join(this.folder, 'partial'), { recursive: true });
    await mkdir(join(this.folder, 'roots'), { recursive: true });
    const partial = join(this.folder, 'partial', digest);
    const fromByte = (await stat(partial).catch(() => undefined))?.size ?? 0;
    const { sizeBytes, content } = await this.fetchBlob(digest, fromByte);
    try {
      await this.makeRoom(sizeBytes, image);
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

  /** One after the other: two that come at once need room for both. */
  private async makeRoom(bytes: number, image: PinnedImage): Promise<void> {
    const mine = this.making.then(() => this.evictFor(bytes, image));
    this.making = mine.catch(() => undefined);
    return mine;
  }

  private async evictFor(bytes: number, image: PinnedImage): Promise<void> {
    if (bytes > this.budgetBytes)
      throw new SluiceError(
        'driver-refused',
        `The image ${image.name} has ${bytes} bytes, more than this host keeps of images (SLUICE_IMAGE_CACHE_MIB).`,
      );
    const held = (await this.held()).filter((h) => h.digest !== image.digest && !this.coming.has(h.digest));
    let used = [...this.coming.values(), ...held.map((h) => h.bytes)].reduce((sum, b) => sum + b, 0);
    const idle = held.filter((h) => !h.inUse && !this.underWay.has(h.digest));
    for (const { digest, bytes: freed } of idle.sort((a, b) => a.usedAt - b.usedAt)) {
      if (used + bytes <= this.budgetBytes) break;
      await this.evict(digest);
      used -= freed;
    }
    if (used + bytes > this.budgetBytes)
      throw new SluiceError(
        'driver-failed',
        `There is no room for the image ${image.name}: VEEs of this host use ${used} bytes of images.`,
      );
    this.coming.set(image.digest, bytes);
  }

  /** First that it was unpacked is forgotten: so no crash leaves half a root that is taken for whole. */
  private async evict(digest: string): Promise<void> {
    const root = this.rootPath(digest);
    await rm(`${root}.json`, { force: true });
    await rm(this.blobPath(digest), { force: true });
    await rm(root, { recursive: true, force: true });
    this.proven.delete(digest);
  }

  /** What is there, also of fetches that were cut. */
  async held(): Promise<Held[]> {
    const of = async (kind: 'blobs' | 'partial'): Promise<Held[]> => {
      const names = await readdir(join(this.folder, kind)).catch(() => []);
      const all = names.map(async (digest): Promise<Held[]> => {
        const found = await stat(join(this.folder, kind, digest)).catch(() => undefined);
        if (!found) return [];
        const unpacked =
          kind === 'blobs' ? await readJson<Unpacking>(`${this.rootPath(digest)}.json`) : undefined;
        const inUse = found.nlink > 1 || this.underWay.has(`unpack ${digest}`);
        return [{ digest, bytes: found.size + (unpacked?.bytes ?? 0), usedAt: found.atimeMs, inUse }];
      });
      return (await Promise.all(all)).flat();
    };
    return [...(await of('blobs')), ...(await of('partial'))];
  }

  private async touch(path: string): Promise<void> {
    const { mtime } = await stat(path);
    await utimes(path, new Date(), mtime);
  }

  private blobPath(digest: string): string {
    return join(this.folder, 'blobs', digest);
  }

  private rootPath(digest: string): string {
    return join(this.folder, 'roots', digest);
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
