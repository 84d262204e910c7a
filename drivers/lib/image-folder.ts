import { chmod, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { PinnedImage } from '../../domain/images/reference';
import type { UnpackedImage } from '../contract';
import { readJson } from './atomic-file';

/** All that is there of one content. */
export interface Held {
  readonly digest: string;
  readonly bytes: number;
  readonly usedAt: number;
  readonly inUse: boolean;
}

/** It is there, and what of it is told of. */
export interface Unpacked extends UnpackedImage {
  readonly bytes: number;
}

const DIGEST_CHARACTERS = 64;
const RECORD = '.json';
const is = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** What an agent keeps of images, as files. Two things of one content never go on at once: `ImageCache` sees to it. */
export class ImageFolder {
  private readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  blob(digest: string): string {
    return join(this.path, 'blobs', digest);
  }

  /** What has come so far. */
  partial(digest: string): string {
    return join(this.path, 'partial', digest);
  }

  /** The same content means one thing as an archive and another as a layout: nobody decides that for others. */
  root({ digest, format }: Pick<PinnedImage, 'digest' | 'format'>): string {
    return join(this.path, 'roots', `${digest}.${format}`);
  }

  /** Last of a root: one without it is not whole. */
  record(root: string): string {
    return `${root}${RECORD}`;
  }

  /** What is in images is for nobody else on the machine; what an agent's death has left half is taken away. */
  async prepare(): Promise<void> {
    await mkdir(this.path, { recursive: true, mode: 0o700 });
    await chmod(this.path, 0o700);
    for (const kind of ['blobs', 'partial', 'roots']) await mkdir(join(this.path, kind), { recursive: true });
    const roots = join(this.path, 'roots');
    const names = await readdir(roots);
    for (const name of names) {
      const root = name.endsWith(RECORD) ? name.slice(0, -RECORD.length) : name;
      const isWhole = names.includes(root) && names.includes(`${root}${RECORD}`);
      if (!isWhole || !(await is(this.blob(root.slice(0, DIGEST_CHARACTERS)))))
        await rm(join(roots, name), { recursive: true, force: true });
    }
  }

  /** What is there, also of fetches that were cut. */
  async held(): Promise<Held[]> {
    const [blobs, partial, roots] = await Promise.all(
      ['blobs', 'partial', 'roots'].map((kind) => readdir(join(this.path, kind)).catch(() => [])),
    );
    const digests = [...new Set([...(blobs ?? []), ...(partial ?? [])])];
    return Promise.all(
      digests.map(async (digest) => {
        const [blob, part] = await Promise.all(
          [this.blob(digest), this.partial(digest)].map((path) => stat(path).catch(() => undefined)),
        );
        const records = (roots ?? []).filter((name) => name.startsWith(digest) && name.endsWith(RECORD));
        const unpacked = await Promise.all(
          records.map((name) => readJson<Unpacked>(join(this.path, 'roots', name))),
        );
        return {
          digest,
          bytes: [blob?.size, part?.size, ...unpacked.map((u) => u?.bytes)].reduce<number>(
            (sum, bytes) => sum + (bytes ?? 0),
            0,
          ),
          usedAt: (blob ?? part)?.atimeMs ?? 0,
          inUse: (blob?.nlink ?? 0) > 1,
        };
      }),
    );
  }

  /**
   * Takes away all there is of a content. First that it was unpacked is forgotten, so no crash leaves half a root that is
   * taken for whole; last its blob, without which a root would be nobody's.
   * @returns false when a VEE uses it by now
   */
  async evict(digest: string): Promise<boolean> {
    const blob = this.blob(digest);
    if (((await stat(blob).catch(() => undefined))?.nlink ?? 0) > 1) return false;
    const roots = join(this.path, 'roots');
    const names = (await readdir(roots).catch(() => [])).filter((name) => name.startsWith(digest));
    for (const name of names.sort((a, b) => Number(b.endsWith(RECORD)) - Number(a.endsWith(RECORD))))
      await rm(join(roots, name), { recursive: true, force: true });
    await rm(this.partial(digest), { force: true });
    await rm(blob, { force: true });
    return true;
  }
}
