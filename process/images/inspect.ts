import { createHash } from 'node:crypto';
import { setImmediate as pause } from 'node:timers/promises';
import { Parser, type ReadEntry } from 'tar';
import { ArchiveBounds, archiveLimits } from '../../domain/images/archive';
import { QCOW2_HEADER_BYTES, readQcow2 } from '../../domain/images/qcow2';
import type { ImageFormat } from '../../domain/images/reference';
import type { WarmFacts } from '../../domain/images/warm';
import { WarmParts } from './warm-parts';

/** Unpacked at once, up to a thousand times as much; then whoever else waits has a turn. */
const SLICE_BYTES = 16_384;

export interface Inspected {
  /** SHA-256, in hex. */
  readonly digest: string;
  readonly sizeBytes: number;
  /** Of the disk that it is an image of, or of what it unpacks to. */
  readonly virtualBytes: number;
  /** Of a warm one, what it says of itself. */
  readonly warm?: WarmFacts;
  /** Why it must not be used; absent when it may. */
  readonly refused?: string;
}

/**
 * Reads an image once, for its digest and for what is in it: whoever made it may have meant harm, so nothing of it is
 * unpacked or opened here. Its hosts look once more, and deeper.
 */
export async function inspectImage(
  format: ImageFormat,
  sizeBytes: number,
  content: AsyncIterable<Uint8Array>,
): Promise<Inspected> {
  const hash = createHash('sha256');
  let seen = 0;
  let start = Buffer.alloc(0);
  async function* counted() {
    for await (const chunk of content) {
      hash.update(chunk);
      seen += chunk.length;
      if (start.length < QCOW2_HEADER_BYTES)
        start = Buffer.concat([start, chunk]).subarray(0, QCOW2_HEADER_BYTES);
      yield chunk;
    }
  }
  const isArchive = format === 'tar' || format === 'oci' || format === 'warm';
  const archive = isArchive ? await inspectArchive(format, sizeBytes, counted()) : undefined;
  if (!isArchive) for await (const _ of counted());
  const facts = { digest: hash.digest('hex'), sizeBytes: seen };
  if (archive) return { ...facts, ...archive };
  if (format === 'raw') return { ...facts, virtualBytes: seen };
  const qcow2 = readQcow2(start);
  return 'refused' in qcow2 ? { ...facts, virtualBytes: 0, ...qcow2 } : { ...facts, ...qcow2 };
}

async function inspectArchive(
  format: ImageFormat,
  sizeBytes: number,
  content: AsyncGenerator<Uint8Array>,
): Promise<Pick<Inspected, 'virtualBytes' | 'refused' | 'warm'>> {
  const bounds = new ArchiveBounds(archiveLimits(sizeBytes));
  const names = new Set<string>();
  const parts = new WarmParts();
  let refused: string | undefined;
  const parser = new Parser({
    strict: true,
    maxDecompressionRatio: 1_000,
    onReadEntry: (entry: ReadEntry) => {
      const { path, type, linkpath, size } = entry;
      refused ??= bounds.take({ path, type, linkPath: linkpath, sizeBytes: size });
      if (format === 'oci') names.add(path.replace(/^\.\//, ''));
      if (format === 'warm') parts.take(entry);
      else entry.resume();
    },
  });
  // What can't be read is no archive; the rest of it is read all the same, for its digest.
  const parsed = new Promise<void>((resolve) => {
    parser.on('end', () => resolve());
    parser.on('error', () => {
      refused ??= 'it is no archive that can be read';
      resolve();
    });
  });
  for await (const chunk of content)
    for (let at = 0; at < chunk.length && refused === undefined; at += SLICE_BYTES) {
      parser.write(
        Buffer.from(chunk.buffer, chunk.byteOffset + at, Math.min(SLICE_BYTES, chunk.length - at)),
      );
      await pause();
    }
  if (refused === undefined) {
    parser.end();
    await parsed;
  }
  if (refused === undefined && names.size === 0 && format === 'tar' && bounds.bytes === 0)
    refused = 'it is an archive of nothing';
  if (refused === undefined && format === 'oci' && !(names.has('oci-layout') && names.has('index.json')))
    refused = 'it is no OCI layout: it lacks oci-layout or index.json';
  const warm = format === 'warm' && refused === undefined ? parts.conclude() : undefined;
  if (warm && 'refused' in warm) refused = warm.refused;
  return {
    ...(warm && 'facts' in warm ? { warm: warm.facts } : {}),
    virtualBytes: bounds.bytes,
    ...(refused ? { refused: `holds what it must not: ${refused}` } : {}),
  };
}
