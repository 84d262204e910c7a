import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import { type ImageFormat, pinnedText } from '../../domain/images/reference';
import { ImageCache } from '../../drivers/lib/image-cache';

/** A registry without an API: files that are registered here are fetched by hosts as they would be from there. */
export class FileRegistry {
  private readonly blobs = new Map<string, Buffer>();

  /** @returns what a template calls it */
  async add(name: string, path: string, format: ImageFormat, on?: string): Promise<string> {
    const content = await readFile(path);
    const digest = createHash('sha256').update(content).digest('hex');
    this.blobs.set(digest, content);
    return pinnedText({ owner: 'acme', name, digest, format, ...(on ? { on } : {}) });
  }

  /** What an agent with that folder keeps. */
  cache(agentDir: string): ImageCache {
    return new ImageCache(join(agentDir, 'images'), 2 ** 40, async (digest, fromByte) => {
      const blob = this.blobs.get(digest);
      if (!blob) throw new SluiceError('image-unknown', 'The registry has no such image.');
      async function* content() {
        yield (blob as Buffer).subarray(fromByte);
      }
      return { sizeBytes: blob.length, content: content() };
    });
  }
}
