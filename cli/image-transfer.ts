import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { ApiClient } from './client';
import { CliError, EXIT } from './exit-codes';

export interface ImageAnswer {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
  readonly reference: string;
  readonly sha256: string;
  readonly format: string;
  readonly state: string;
  readonly sizeBytes: number;
  readonly uploadedBytes?: number;
  readonly deprecated: boolean;
  readonly sharedWith?: readonly string[];
  readonly hosts?: number;
  readonly createdAt: number;
}

/** After a cut it is gone on with so often without a byte of progress. */
const MOST_CUTS = 20;
const MOST_WAIT_MILLIS = 2_000;
/** Of one request: servers, and what stands before them, wait only so long for the end of one. A multiple of what the API keeps. */
const PART_BYTES = 256 * 1_048_576;

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

/** Sends a file as an image's content, from wherever an earlier attempt was cut. */
export async function upload(
  client: ApiClient,
  image: ImageAnswer,
  path: string,
  progress: (bytes: number) => void,
): Promise<ImageAnswer> {
  let now = image;
  for (let cuts = 0; now.state === 'uploading'; ) {
    const offset = now.uploadedBytes ?? 0;
    let sent = offset;
    async function* content() {
      for await (const chunk of createReadStream(path, { start: offset, end: offset + PART_BYTES - 1 })) {
        sent += (chunk as Buffer).length;
        progress(sent);
        yield chunk as Uint8Array;
      }
    }
    try {
      const body = offset < image.sizeBytes ? Readable.toWeb(Readable.from(content())) : null;
      now = await client.put(
        `/v1/images/${image.id}/content?offset=${offset}`,
        body as ReadableStream | null,
      );
    } catch (error) {
      const passes =
        error instanceof CliError && [EXIT.unavailable, EXIT.conflict].includes(error.exitCode as never);
      if (!passes || ++cuts > MOST_CUTS) throw error;
      await delay(Math.min(MOST_WAIT_MILLIS, 100 * cuts));
      now = await client.get<ImageAnswer>(`/v1/images/${image.id}`);
      if ((now.uploadedBytes ?? 0) > offset) cuts = 0;
    }
  }
  return now;
}

/** Fetches an image into a file, from wherever an earlier attempt was cut, and proves what came. */
export async function download(
  client: ApiClient,
  image: ImageAnswer,
  path: string,
  progress: (bytes: number) => void,
): Promise<void> {
  const partial = `${path}.partial`;
  const start = (await stat(partial).catch(() => undefined))?.size ?? 0;
  if (start < image.sizeBytes) {
    const response = await client.open(`/v1/images/${image.id}/content`, { range: `bytes=${start}-` });
    let came = start;
    async function* content() {
      for await (const chunk of response.body ?? []) {
        came += (chunk as Uint8Array).length;
        progress(came);
        yield chunk as Uint8Array;
      }
    }
    try {
      await pipeline(content(), createWriteStream(partial, { flags: 'a' }));
    } catch (cause) {
      throw new CliError(
        `Of ${image.name} ${came} of ${image.sizeBytes} bytes have come (${(cause as Error).message}); the same command goes on there.`,
        EXIT.unavailable,
      );
    }
  }
  if ((await sha256Of(partial)) !== image.sha256) {
    await rm(partial, { force: true });
    throw new CliError(`What came is not ${image.reference}; nothing of it is kept.`, EXIT.operationFailed);
  }
  await rename(partial, path);
}
