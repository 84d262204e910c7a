import { SluiceError } from '../domain/errors';
import type { BlobPart, FetchBlob } from '../drivers/lib/image-cache';

const ANSWER_MILLIS = 15_000;
/** Nothing came for so long: the connection is taken for dead, and what has come is gone on with. */
const STALLED_MILLIS = 15_000;

/** Images come over the agent's one way out, the API, under its own token. */
export function imageFetcher(apiUrl: string, token: () => string): FetchBlob {
  return async (digest, fromByte): Promise<BlobPart> => {
    const stopped = new AbortController();
    let timer = setTimeout(() => stopped.abort(), ANSWER_MILLIS);
    let response: Response;
    try {
      response = await fetch(new URL(`/v1/image-blobs/${digest}`, apiUrl), {
        headers: { authorization: `Bearer ${token()}`, range: `bytes=${fromByte}-` },
        redirect: 'error',
        signal: stopped.signal,
      });
    } catch (cause) {
      throw new SluiceError(
        'driver-failed',
        'The site’s API does not answer, so its images can’t be fetched.',
        {
          cause,
        },
      );
    } finally {
      clearTimeout(timer);
    }
    const { status, body } = response;
    if (status === 404)
      throw new SluiceError('image-unknown', 'The registry has no image of that content any more.');
    const sizeBytes = Number(/\/(\d+)$/.exec(response.headers.get('content-range') ?? '')?.[1] ?? 'NaN');
    if ((status !== 206 && status !== 416) || !Number.isInteger(sizeBytes)) {
      await body?.cancel().catch(() => undefined);
      throw new SluiceError(
        'driver-failed',
        `The site’s API answers ${status} when it is asked for an image.`,
      );
    }
    async function* content(): AsyncGenerator<Uint8Array> {
      const wait = () => {
        clearTimeout(timer);
        timer = setTimeout(() => stopped.abort(), STALLED_MILLIS);
      };
      wait();
      try {
        for await (const chunk of body ?? []) {
          yield chunk as Uint8Array;
          wait();
        }
      } finally {
        clearTimeout(timer);
      }
    }
    if (status === 416) await body?.cancel().catch(() => undefined);
    return { sizeBytes, content: status === 416 ? nothing() : content() };
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
