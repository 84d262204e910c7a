import { createHash, randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SluiceError } from '../../domain/errors';
import type { PinnedImage } from '../../domain/images/reference';
import { ImageCache } from '../../drivers/lib/image-cache';

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const coded = (code: string) => expect.objectContaining({ code });

describe('the images that a host keeps', () => {
  let folder: string;
  const blobs = new Map<string, Buffer>();
  let asked: [string, number][];
  let cutAfter: number | undefined;

  function image(bytes: Buffer): PinnedImage {
    blobs.set(sha256(bytes), bytes);
    return { owner: 'acme', name: 'web', digest: sha256(bytes), format: 'raw' };
  }
  const cache = (budgetBytes = 10_000) =>
    new ImageCache(join(folder, 'images'), budgetBytes, async (digest, fromByte) => {
      asked.push([digest, fromByte]);
      const blob = blobs.get(digest);
      if (!blob) throw new SluiceError('image-unknown', 'none');
      async function* content(): AsyncGenerator<Uint8Array> {
        const rest = (blob as Buffer).subarray(fromByte);
        if (cutAfter === undefined) {
          yield rest;
          return;
        }
        yield rest.subarray(0, cutAfter);
        throw new Error('cut');
      }
      return { sizeBytes: blob.length, content: content() };
    });
  const vee = (name: string) => join(folder, 'vees', name, 'image');
  const isThere = (of: PinnedImage) =>
    stat(join(folder, 'images', 'blobs', of.digest)).then(
      () => true,
      () => false,
    );

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-images-'));
    asked = [];
    cutAfter = undefined;
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  it('are fetched once, however many need one at once', async () => {
    const web = image(randomBytes(1_000));
    const one = cache();
    await Promise.all(Array.from({ length: 10 }, (_, n) => one.link(web, vee(`v${n}`))));
    expect(asked).toEqual([[web.digest, 0]]);
    expect(sha256(await readFile(vee('v9')))).toBe(web.digest);
    await cache().link(web, vee('v10'));
    expect(asked).toHaveLength(1);
  });

  it('go on where they were cut, also under another agent', async () => {
    const web = image(randomBytes(1_000));
    cutAfter = 300;
    await expect(cache().link(web, vee('v'))).rejects.toEqual(coded('driver-failed'));
    await expect(cache().link(web, vee('v'))).rejects.toEqual(coded('driver-failed'));
    cutAfter = undefined;
    await cache().link(web, vee('v'));
    expect(asked.map(([, from]) => from)).toEqual([0, 300, 600]);
    expect(sha256(await readFile(vee('v')))).toBe(web.digest);
  });

  it('are what their digest says: what comes as something else is not used, and fetched anew', async () => {
    const web = image(randomBytes(1_000));
    const real = blobs.get(web.digest) as Buffer;
    blobs.set(web.digest, randomBytes(1_000));
    const one = cache();
    await expect(one.link(web, vee('v'))).rejects.toEqual(coded('driver-failed'));
    blobs.set(web.digest, real);
    await one.link(web, vee('v'));
    expect(asked.map(([, from]) => from)).toEqual([0, 0]);
    // Somebody writes to it on the host: that is seen at the next use.
    await writeFile(join(folder, 'images', 'blobs', web.digest), 'else');
    await one.link(web, vee('v'));
    expect(sha256(await readFile(vee('v')))).toBe(web.digest);
    expect(asked).toHaveLength(3);
  });

  it('make room by what was used longest ago, and never by what a VEE uses', async () => {
    const [used, old, recent, next] = [1, 2, 3, 4].map((n) => image(Buffer.alloc(1_000, n))) as [
      PinnedImage,
      PinnedImage,
      PinnedImage,
      PinnedImage,
    ];
    const one = cache(3_500);
    await one.link(used, vee('keeps'));
    for (const [n, idle] of [old, recent].entries()) {
      await one.fetch(idle);
      const path = join(folder, 'images', 'blobs', idle.digest);
      await utimes(path, new Date(1_000 * (n + 1)), (await stat(path)).mtime);
    }
    await one.fetch(next);
    expect(await Promise.all([used, old, recent, next].map(isThere))).toEqual([true, false, true, true]);
    await one.link(recent, vee('also'));
    await one.link(next, vee('third'));
    const fifth = image(Buffer.alloc(1_000, 5));
    await expect(one.link(fifth, vee('none'))).rejects.toEqual(coded('driver-failed'));
    // When its VEE is gone it may go.
    await rm(join(folder, 'vees', 'keeps'), { recursive: true });
    await one.link(fifth, vee('room'));
    expect(await isThere(used)).toBe(false);
    await expect(one.fetch(image(Buffer.alloc(4_000)))).rejects.toEqual(coded('driver-refused'));
  });

  it('two that come at once need room for both', async () => {
    const [a, b] = [image(randomBytes(600)), image(randomBytes(600))];
    const one = cache(1_000);
    const ends = await Promise.allSettled([one.link(a, vee('a')), one.link(b, vee('b'))]);
    expect(ends.map((e) => e.status).sort()).toEqual(['fulfilled', 'rejected']);
  });

  it('are unpacked once, and again after a crash in the middle of it', async () => {
    const web = image(randomBytes(100));
    let unpacked = 0;
    const unpack = async (_: string, into: string) => {
      unpacked++;
      await writeFile(join(into, 'file'), 'x');
      return { bytes: 1 };
    };
    await expect(
      cache().unpacked(web, vee('v'), async (_, into) => {
        await writeFile(join(into, 'half'), 'x');
        throw new Error('crash');
      }),
    ).rejects.toThrow('crash');
    const one = cache();
    const roots = await Promise.all([1, 2, 3].map((n) => one.unpacked(web, vee(`v${n}`), unpack)));
    expect([unpacked, new Set(roots.map((r) => r.path)).size]).toEqual([1, 1]);
    expect(await stat(join(roots[0]?.path ?? '', 'half')).catch(() => 'none')).toBe('none');
    expect((await cache().unpacked(web, vee('v4'), unpack)).path).toBe(roots[0]?.path);
    expect(unpacked).toBe(1);
  });

  const small = async (_: string, into: string) => {
    await writeFile(join(into, 'sh'), 'x');
    return { bytes: 10 };
  };

  it('are not taken away from under what begins to use them while room is made', async () => {
    const [a, b] = [image(Buffer.alloc(4_000, 1)), image(Buffer.alloc(4_000, 2))];
    const one = cache();
    await one.unpacked(a, vee('gone'), small);
    await one.unpacked(b, vee('gone2'), small);
    for (const [n, idle] of [a, b].entries())
      await utimes(join(folder, 'images', 'blobs', idle.digest), new Date(1_000 * (n + 1)), new Date());
    await rm(join(folder, 'vees'), { recursive: true });
    // While the first is removed, which may take long, a VEE begins to use the one that would be next.
    const { folder: kept } = one as unknown as { folder: { evict(digest: string): Promise<boolean> } };
    const evict = kept.evict.bind(kept);
    let root: { readonly path: string } | undefined;
    kept.evict = async (digest) => {
      root ??= await one.unpacked(b, vee('v'), small);
      return evict(digest);
    };
    await expect(one.fetch(image(randomBytes(9_000)))).rejects.toEqual(coded('driver-failed'));
    expect(await readFile(join(root?.path ?? '', 'sh'), 'utf8')).toBe('x');
    expect(await isThere(a)).toBe(false);
  });

  it('take the room that they unpack to, before they are unpacked', async () => {
    const [bomb, other] = [image(randomBytes(100)), image(randomBytes(1_000))];
    const unpacking =
      (...sizes: number[]) =>
      async (_: string, into: string, room: (b: number) => Promise<void>) => {
        for (const [n, size] of sizes.entries()) {
          await room(size);
          await writeFile(join(into, String(n)), Buffer.alloc(size));
        }
        return { bytes: sizes.reduce((sum, b) => sum + b, 0) };
      };
    const one = cache();
    await expect(one.unpacked(bomb, vee('v'), unpacking(5_000, 5_000))).rejects.toEqual(
      coded('driver-refused'),
    );
    expect(await readdir(join(folder, 'images', 'roots'))).toEqual([]);
    // What is refused leaves the room to others, and what is idle makes room.
    await one.fetch(other);
    await one.unpacked(bomb, vee('v'), unpacking(5_000, 4_500));
    expect(await isThere(other)).toBe(false);
    await expect(one.fetch(other)).rejects.toEqual(coded('driver-failed'));
  });

  it('of which only a part came make room as well', async () => {
    const one = cache();
    cutAfter = 4_000;
    for (let n = 0; n < 2; n++)
      await expect(one.fetch(image(randomBytes(5_000)))).rejects.toEqual(coded('driver-failed'));
    cutAfter = undefined;
    await one.fetch(image(randomBytes(9_000)));
    expect(await readdir(join(folder, 'images', 'partial'))).toEqual([]);
  });

  it('mean as a layout what they mean, whatever somebody has had of them as an archive', async () => {
    const tar = { ...image(randomBytes(100)), format: 'tar' as const };
    const oci = { ...tar, owner: 'rival', format: 'oci' as const };
    const one = cache();
    const made = (command: string) => async (file: string, into: string) => ({
      ...(await small(file, into)),
      command: [command],
    });
    const roots = [
      await one.unpacked(tar, vee('a'), made('a')),
      await one.unpacked(oci, vee('b'), made('b')),
    ];
    expect(roots.map((r) => r.command)).toEqual([['a'], ['b']]);
    expect(new Set(roots.map((r) => r.path)).size).toBe(2);
    // Both go with their content.
    await rm(join(folder, 'vees'), { recursive: true });
    await one.fetch(image(randomBytes(9_990)));
    expect(await readdir(join(folder, 'images', 'roots'))).toEqual([]);
  });

  it('leave nothing half after a kill, and are for nobody else on the machine', async () => {
    const web = image(randomBytes(100));
    await cache().unpacked(web, vee('v'), small);
    const roots = join(folder, 'images', 'roots');
    const lost = 'c'.repeat(64);
    for (const name of [`${lost}.tar`, `${lost}.oci.making`, `${lost}.oci.making.layout`, web.digest])
      await mkdir(join(roots, name, 'deep'), { recursive: true });
    await writeFile(join(roots, `${lost}.tar.json`), '{"bytes":1}');
    await cache().fetch(web);
    expect((await readdir(roots)).sort()).toEqual([`${web.digest}.raw`, `${web.digest}.raw.json`]);
    expect((await stat(join(folder, 'images'))).mode & 0o777).toBe(0o700);
  });
});
