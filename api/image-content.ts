import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { SluiceError } from '../domain/errors';
import type { ImageRecord } from '../domain/images/model';
import { inspectImage } from '../process/images/inspect';
import type { Store } from '../store/store';

type ImageStore = Pick<Store, 'images' | 'imageBlobs'>;

/**
 * Takes a part of an image's content, from where its upload is, and with the last of it makes the image usable.
 * @throws SluiceError `conflict` when the upload is elsewhere, `image-refused`, `request-too-large`
 */
export async function takeContent(
  store: ImageStore,
  image: ImageRecord,
  fromByte: number,
  content: AsyncIterable<Uint8Array>,
  now: number,
): Promise<ImageRecord> {
  const { imageBlobs } = store;
  const { id, sizeBytes, state } = image;
  if (state === 'ready') return image;
  const uploadedBytes = await imageBlobs.uploadedBytes(id);
  if (fromByte !== uploadedBytes) throw elsewhere(uploadedBytes);
  if (uploadedBytes < sizeBytes) {
    const alone = await imageBlobs.append(id, fromByte, sizeBytes, atMost(content, sizeBytes - fromByte));
    if (!alone) throw elsewhere(await imageBlobs.uploadedBytes(id));
  }
  return (await imageBlobs.uploadedBytes(id)) === sizeBytes ? conclude(store, image, now) : image;
}

const elsewhere = (uploadedBytes: number) =>
  new SluiceError('conflict', `The upload goes on at byte ${uploadedBytes}.`, {
    pointer: '/query/offset',
    members: { uploadedBytes },
  });

async function* atMost(content: AsyncIterable<Uint8Array>, most: number): AsyncGenerator<Uint8Array> {
  let left = most;
  for await (const chunk of content) {
    left -= chunk.length;
    if (left < 0)
      throw new SluiceError('request-too-large', 'There is more of it than the image was said to have.');
    yield chunk;
  }
}

/** All of it is there: what it is said to be has to be so, before anything runs from it. What is refused is gone. */
async function conclude(store: ImageStore, image: ImageRecord, now: number): Promise<ImageRecord> {
  const { id, digest, format, sizeBytes, name } = image;
  const found = await inspectImage(format, sizeBytes, store.imageBlobs.readUpload(id));
  const refused =
    found.digest === digest
      ? found.refused
      : `has the SHA-256 ${found.digest}, and was said to have ${digest}`;
  if (refused !== undefined) {
    await store.imageBlobs.dropUpload(id);
    await store.images.remove(id);
    throw new SluiceError('image-refused', `The image "${name}" ${refused}.`);
  }
  await store.imageBlobs.keep(id, digest, sizeBytes, now);
  const ready = await store.images.change(id, 'uploading', {
    state: 'ready',
    virtualBytes: found.virtualBytes,
  });
  if (ready) return ready;
  // Concluded by another request, or removed meanwhile: then nothing of it may be left.
  const other = await store.images.get(id);
  if (other?.state !== 'ready') await store.imageBlobs.release(id, digest);
  return other ?? { ...image, state: 'removing' };
}

/** Answers with the content of an image, or with the part that a Range header asks for. */
export async function giveContent(
  { imageBlobs }: Pick<Store, 'imageBlobs'>,
  digest: string,
  req: Request,
  res: Response,
): Promise<void> {
  const sizeBytes = await imageBlobs.sizeOf(digest);
  if (sizeBytes === undefined) throw new SluiceError('not-found', 'There is no such image.');
  const asked = /^bytes=(\d{1,15})-(\d{0,15})$/.exec(req.get('Range') ?? '');
  const start = asked ? Number(asked[1]) : 0;
  const end = asked?.[2] ? Math.min(sizeBytes, Number(asked[2]) + 1) : sizeBytes;
  res.set({
    'Content-Type': 'application/octet-stream',
    'Accept-Ranges': 'bytes',
    ETag: `"sha256:${digest}"`,
  });
  if (start > end || (asked && start >= sizeBytes)) {
    res.status(416).set('Content-Range', `bytes */${sizeBytes}`).end();
    return;
  }
  res.status(asked ? 206 : 200).set('Content-Length', String(end - start));
  if (asked) res.set('Content-Range', `bytes ${start}-${end - 1}/${sizeBytes}`);
  // Who goes away in the middle comes back for the rest.
  await pipeline(imageBlobs.read(digest, start, end), res).catch(() => res.destroy());
}
