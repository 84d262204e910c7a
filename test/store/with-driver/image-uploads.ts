import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { sweepUploads, takeContent } from '../../../api/image-content';
import { holdingImages } from '../../../api/pin-images';
import type { ImageId } from '../../../domain/ids';
import { type ImageRecord, pinOf } from '../../../domain/images/model';
import type { Manifest } from '../../../domain/manifest/schema';
import { connectStore, type StoreConnection } from '../../../store/connect';
import { ensureIndexes } from '../../../store/indexes';
import { createStore } from '../../../store/store';

const MIB = 1_048_576;
const DAY_MILLIS = 86_400_000;
const coded = (code: string) => (error: unknown) => (error as { code?: string }).code === code;

describe('uploads of images', () => {
  let connection: StoreConnection;
  let store: ReturnType<typeof createStore>;
  let made = 0;
  before(async () => {
    connection = await connectStore(process.env.MONGODB_URI ?? '', `uploads-${process.pid}`);
    await ensureIndexes(connection.db);
    store = createStore(connection);
  });
  after(async () => {
    await connection.db.dropDatabase();
    await connection.close();
  });

  const chunks = (id: string) =>
    connection.db.collection('imageBlobs.chunks').countDocuments({ files_id: id as never });
  const begin = (content: Buffer, over: Partial<ImageRecord> = {}) =>
    store.images.create({
      ...{ id: `img-${++made}` as ImageId, owner: 'acme', name: `n${made}`, format: 'raw' },
      ...{ digest: createHash('sha256').update(content).digest('hex'), sizeBytes: content.length },
      ...{ sharedWith: [], deprecated: false, state: 'uploading', createdAt: Date.now(), ...over },
    });
  async function* sent(...parts: Buffer[]) {
    for (const part of parts) yield part;
  }
  const take = (image: ImageRecord, from: number, ...parts: Buffer[]) =>
    takeContent(store, image, from, sent(...parts), Date.now());

  it('are concluded once, however many ask, and what came of it stays', async () => {
    const content = randomBytes(3 * MIB);
    const image = await begin(content);
    await take(image, 0, content.subarray(0, 2 * MIB));
    const first = take(image, 2 * MIB, content.subarray(2 * MIB));
    const [one] = await Promise.all([first]);
    const rest = await Promise.all([1, 2, 3].map(() => take(image, content.length)));
    assert.deepEqual(
      [one, ...rest].map((i) => i.state),
      Array(4).fill('ready'),
    );
    // The same content under another name: its own chunks go, the blob stays.
    const again = await begin(content);
    assert.equal((await take(again, 0, content)).state, 'ready');
    assert.deepEqual([await chunks(again.id), await chunks(image.id)], [0, 3]);
  });

  it('at once by several become ready once, and one that is refused takes away none that is ready', async () => {
    const content = randomBytes(MIB);
    const image = await begin(content);
    await store.imageBlobs.append(image.id, 0, content.length, sent(content));
    const ends = await Promise.all([1, 2, 3, 4].map(() => take(image, content.length)));
    assert.deepEqual(new Set(ends.map((i) => i.state)), new Set(['ready']));
    const lying = await begin(content, { digest: 'a'.repeat(64) });
    await store.imageBlobs.append(lying.id, 0, content.length, sent(content));
    const refused = take(lying, content.length);
    // Another has meanwhile found it sound, by whatever luck.
    await store.images.change(lying.id, 'uploading', { state: 'ready' });
    await refused.catch(() => undefined);
    assert.equal((await store.images.get(lying.id))?.state, 'ready');
  });

  it('that come to their end together are all checked, a few at a time', async () => {
    const contents = Array.from({ length: 9 }, () => randomBytes(1_000));
    const images = await Promise.all(contents.map((c) => begin(c)));
    const ends = await Promise.all(images.map((image, n) => take(image, 0, contents[n] ?? Buffer.alloc(0))));
    assert.deepEqual(new Set(ends.map((i) => i.state)), new Set(['ready']));
  });

  it('whose checker has died are checked by the next', async () => {
    const content = randomBytes(1_000);
    const image = await begin(content);
    await store.imageBlobs.append(image.id, 0, content.length, sent(content));
    assert.equal(await store.images.claimCheck(image.id, 1_000, 61_000), true);
    assert.equal(await store.images.claimCheck(image.id, 2_000, 62_000), false);
    assert.equal((await take(image, content.length)).state, 'ready');
  });

  it('leave nothing when they are removed in the middle', async () => {
    const content = randomBytes(40 * MIB);
    const image = await begin(content);
    async function* cut() {
      yield content.subarray(0, MIB);
      await store.images.change(image.id, 'uploading', { state: 'removing' });
      await store.imageBlobs.dropUpload(image.id);
      await store.images.remove(image.id, 'removing');
      for (let n = 1; n < 40; n++) yield content.subarray(n * MIB, (n + 1) * MIB);
    }
    await assert.rejects(takeContent(store, image, 0, cut(), Date.now()), coded('not-found'));
    assert.equal(await chunks(image.id), 0);
  });

  it('that stand still for days are given up, and chunks of nobody are swept', async () => {
    const content = randomBytes(2 * MIB);
    const [old, going, kept] = [await begin(content), await begin(content), await begin(content)];
    assert.equal((await take(kept, 0, content)).state, 'ready');
    for (const { id } of [old, going]) await store.imageBlobs.append(id, 0, 2 * MIB + 1, sent(content));
    await store.imageBlobs.append('img-nobody' as ImageId, 0, MIB, sent(content.subarray(0, MIB)));
    await store.images.touch(going.id, Date.now() + 3 * DAY_MILLIS);
    await sweepUploads(store, Date.now() + 4 * DAY_MILLIS);
    const left = await Promise.all([old.id, 'img-nobody', going.id, kept.id].map(chunks));
    assert.deepEqual(left, [0, 0, 2, 2]);
    assert.equal(await store.images.get(old.id), undefined);
  });

  it('once ready, are held for as long as a request records that it uses them', async () => {
    const content = randomBytes(100);
    const image = await begin(content);
    const ready = await take(image, 0, content);
    const manifest = { components: [{ image: pinOf(ready) }, { image: 'busybox' }] } as unknown as Manifest;
    await holdingImages(store, manifest, 'op-1', async () => {
      assert.equal((await store.images.get(image.id))?.holds?.length, 1);
    });
    assert.deepEqual((await store.images.get(image.id))?.holds, []);
    await store.images.change(image.id, 'ready', { state: 'removing' });
    await assert.rejects(
      holdingImages(store, manifest, 'op-2', async () => undefined),
      coded('image-unknown'),
    );
  });
});
