import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Request, Response } from 'express';
import { SluiceError } from '../domain/errors';
import type { ImageId } from '../domain/ids';
import type { ImageRecord } from '../domain/images/model';
import type { WarmFacts } from '../domain/images/warm';
import { inspectImage } from '../process/images/inspect';
import type { Store } from '../store/store';

type ImageStore = Pick<Store, 'images' | 'imageBlobs'>;

/** Told so often of an upload that goes on. */
const TOUCH_BYTES = 16 * 1_048_576;
/** Whoever checks an upload and says nothing for so long has died. */
const CHECK_MILLIS = 60_000;
const RENEW_MILLIS = 10_000;
/** So long a request waits for another that checks the same upload. */
const WAIT_MILLIS = 20_000;
const LOOK_MILLIS = 200;
/** So many are read at a time: each takes a turn of this process's one thread for every few milliseconds of others. */
const MOST_CHECKS = 4;
let checking = 0;
/** An upload of which nothing has come for so long is given up. */
const STALE_MILLIS = 3 * 86_400_000;

/**
 * Takes a part of an image's content, from where its upload is, and with the last of it makes the image usable.
 * @throws SluiceError `conflict` when the upload is elsewhere, or checked by another request for long; `not-found` when it
 * was removed meanwhile; `image-refused`, `request-too-large`
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
    const part = whileWanted(store, id, atMost(content, sizeBytes - fromByte));
    try {
      const alone = await imageBlobs.append(id, fromByte, sizeBytes, part);
      if (!alone) throw elsewhere(await imageBlobs.uploadedBytes(id));
    } finally {
      // Removed meanwhile: nothing of what came since may stay.
      if (!(await isWanted(store, id))) await imageBlobs.dropUpload(id);
    }
    if (!(await isWanted(store, id))) throw removed();
  }
  return (await imageBlobs.uploadedBytes(id)) === sizeBytes ? conclude(store, image, now) : image;
}

/** Takes away what nobody goes on with, and what a crash has left. Chunks without an owner are found by no other way. */
export async function sweepUploads({ images, imageBlobs }: ImageStore, now: number): Promise<void> {
  await images.forgetUploads(now - STALE_MILLIS);
  await imageBlobs.sweep((ids) => images.uploading(ids));
}

const removed = () => new SluiceError('not-found', 'There is no such image any more.');

async function isWanted({ images }: ImageStore, id: ImageId): Promise<boolean> {
  const state = (await images.get(id))?.state;
  return state === 'uploading' || state === 'ready';
}

async function* whileWanted(
  { images }: ImageStore,
  id: ImageId,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let since = TOUCH_BYTES;
  for await (const chunk of content) {
    since += chunk.length;
    if (since >= TOUCH_BYTES) {
      if (!(await images.touch(id, Date.now()))) throw removed();
      since = 0;
    }
    yield chunk;
  }
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

/**
 * All of it is there: what it is said to be has to be so, before anything runs from it. What is refused is gone. One
 * request does it; others wait for what comes of it.
 */
async function conclude(store: ImageStore, image: ImageRecord, now: number): Promise<ImageRecord> {
  const { id, digest, format, sizeBytes, name } = image;
  const { images, imageBlobs } = store;
  const end = Date.now() + WAIT_MILLIS;
  let claim: Claim | undefined;
  while (!claim) {
    claim = await claimed(images, id);
    if (claim) break;
    const other = await images.get(id);
    if (other?.state === 'ready') return other;
    if (other?.state !== 'uploading') throw removed();
    if (Date.now() > end)
      throw new SluiceError('conflict', 'All of it is there, and being checked; ask again.', {
        members: { uploadedBytes: sizeBytes },
      });
    await delay(LOOK_MILLIS);
  }
  const content = whileMine(images, id, claim, imageBlobs.readUpload(id));
  const found = await inspectImage(format, sizeBytes, content)
    .catch(async (error) => {
      // It may be taken on at once by whoever asks again.
      await images.claimCheck(id, Date.now(), 0, claim?.until);
      throw error;
    })
    .finally(() => checking--);
  const refused =
    found.digest !== digest
      ? 'has another SHA-256 than it was said to have'
      : (found.refused ?? otherMachine(found.warm, image.warm));
  if (refused !== undefined) {
    // Only what nobody has made of it meanwhile: an image that is ready is not touched.
    if (!(await images.remove(id, 'uploading'))) return (await images.get(id)) ?? gone();
    await imageBlobs.dropUpload(id);
    throw new SluiceError('image-refused', `The image "${name}" ${refused}.`);
  }
  await imageBlobs.keep(id, digest, sizeBytes, now);
  const ready = await images.change(id, 'uploading', { state: 'ready', virtualBytes: found.virtualBytes });
  const other = ready ?? (await images.get(id));
  // Removed meanwhile: then nothing of it may be left.
  if (other?.state !== 'ready') await imageBlobs.release(id, digest);
  // Where there was a blob of that content already, or none is wanted.
  await imageBlobs.dropUpload(id);
  return other ?? gone();
}

const otherMachine = (found: WarmFacts | undefined, said: WarmFacts | undefined): string | undefined =>
  isDeepStrictEqual(found, said) ? undefined : 'is of another machine than it was said to be of';

function gone(): never {
  throw removed();
}

/** That this request checks an upload, until when it has last said so. */
interface Claim {
  until: number;
}

/** @returns nothing while another checks it, or this process has enough to check. What it has claimed it counts */
async function claimed(images: ImageStore['images'], id: ImageId): Promise<Claim | undefined> {
  if (checking >= MOST_CHECKS) return undefined;
  checking++;
  const until = Date.now() + CHECK_MILLIS;
  const isMine = await images.claimCheck(id, Date.now(), until).catch((error) => {
    checking--;
    throw error;
  });
  if (isMine) return { until };
  checking--;
  return undefined;
}

/** Says now and then that it goes on. @throws SluiceError `conflict` when another has taken over */
async function* whileMine(
  images: ImageStore['images'],
  id: ImageId,
  claim: Claim,
  content: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let last = Date.now();
  for await (const chunk of content) {
    const now = Date.now();
    if (now - last > RENEW_MILLIS) {
      if (!(await images.claimCheck(id, now, now + CHECK_MILLIS, claim.until)))
        throw new SluiceError('conflict', 'The upload is checked by another request; ask again.');
      claim.until = now + CHECK_MILLIS;
      last = now;
    }
    yield chunk;
  }
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
