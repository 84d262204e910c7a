import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { SluiceError } from '../domain/errors';
import type { ImageId } from '../domain/ids';

/** Of one request: what stands before an API may wait only so long for the end of one. A multiple of what the API keeps. */
const PART_BYTES = 64 * 1_048_576;

interface Progress {
  readonly state?: string;
  readonly uploadedBytes?: number;
  readonly sizeBytes?: number;
  readonly detail?: string;
}

/**
 * Sends a file as the content of an image that the agent has made, over its one way out, under its own token. From where
 * an earlier attempt was cut.
 */
export function imageUploader(apiUrl: string, token: () => string) {
  async function put(imageId: ImageId, path: string, offset: number, bytes: number, signal: AbortSignal) {
    // Nothing to send is asked with as well: how far is it?
    const content =
      bytes > 0 ? createReadStream(path, { start: offset, end: offset + bytes - 1 }) : undefined;
    try {
      const response = await fetch(new URL(`/v1/image-uploads/${imageId}?offset=${offset}`, apiUrl), {
        method: 'PUT',
        headers: { authorization: `Bearer ${token()}`, 'content-type': 'application/octet-stream' },
        ...(content ? { body: Readable.toWeb(content), duplex: 'half' } : {}),
        ...{ redirect: 'error', signal },
      } as RequestInit);
      return { status: response.status, body: (await response.json()) as Progress };
    } catch (cause) {
      throw new SluiceError(
        'driver-failed',
        'The site’s API did not take the image; it will be gone on with.',
        {
          cause,
        },
      );
    } finally {
      content?.destroy();
    }
  }

  return async (imageId: ImageId, path: string, signal: AbortSignal): Promise<void> => {
    let offset = 0;
    for (let sizeBytes = 0; ; ) {
      const { status, body } = await put(
        imageId,
        path,
        offset,
        Math.min(PART_BYTES, sizeBytes - offset),
        signal,
      );
      if (status === 200 && body.state === 'ready') return;
      if (status === 404 || status === 400 || status === 422)
        throw new SluiceError('image-refused', body.detail ?? 'The registry does not take the image.');
      const { uploadedBytes } = body;
      const isAsking = sizeBytes === 0;
      if ((status !== 200 && status !== 409) || uploadedBytes === undefined)
        throw new SluiceError('driver-failed', `The site’s API answers ${status} when it is sent an image.`);
      if (!isAsking && uploadedBytes <= offset)
        throw new SluiceError('driver-failed', 'The image did not come any further.');
      offset = uploadedBytes;
      sizeBytes = body.sizeBytes ?? sizeBytes;
    }
  };
}
