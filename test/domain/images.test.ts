import fc from 'fast-check';
import type { ImageId, TenantId } from '../../domain/ids';
import { ArchiveBounds, archiveLimits, entryRefusal } from '../../domain/images/archive';
import { type ImageRecord, leastDiskMiBOf, resolveImage, unfitFor } from '../../domain/images/model';
import { QCOW2_HEADER_BYTES, readQcow2 } from '../../domain/images/qcow2';
import {
  acceptsFormat,
  hostRuns,
  IMAGE_FORMATS,
  imageReference,
  pinnedImage,
  pinnedText,
} from '../../domain/images/reference';

const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
const imageName = fc.stringMatching(/^[a-z0-9][a-z0-9._-]{0,20}$/);
const owner = fc.stringMatching(/^[a-z]([a-z0-9-]{0,10}[a-z0-9])?$/);

describe('how images are called', () => {
  it('says in a template all that there is to say, and is read back', () => {
    fc.assert(
      fc.property(owner, imageName, hex, fc.constantFrom(...IMAGE_FORMATS), (who, name, digest, format) => {
        const pinned = {
          owner: who,
          name,
          digest,
          format,
          ...(format === 'warm' ? { on: '7_2-tcg-pc' } : {}),
        };
        expect(pinnedImage(pinnedText(pinned))).toEqual(pinned);
        expect(imageReference(pinnedText(pinned))).toEqual({ owner: who, name, digest });
        expect(imageReference(name)).toEqual({ name });
        expect(pinnedImage(name)).toBeUndefined();
      }),
    );
  });

  it.each([
    '',
    'Web',
    '../web',
    'a/b/c',
    'web@sha256:12',
    'web@md5:abc',
    'acme/',
    `web@sha256:${'a'.repeat(64)}.exe`,
  ])('%j is no reference', (text) => expect(imageReference(text)).toBeUndefined());

  it('runs where its format does; where an agent of an earlier release is, nowhere', () => {
    const web = pinnedText({ owner: 'acme', name: 'web', digest: 'a'.repeat(64), format: 'qcow2' });
    expect(hostRuns(['busybox', acceptsFormat('qcow2')], web)).toBe(true);
    expect(hostRuns(['busybox', acceptsFormat('tar')], web)).toBe(false);
    expect(hostRuns(['busybox', 'web', 'acme/web'], web)).toBe(false);
    expect(hostRuns(['busybox'], 'busybox')).toBe(true);
    // Nobody comes to a host by calling an image as a format.
    expect(imageReference(acceptsFormat('qcow2'))).toBeUndefined();
  });
});

const acme = 'acme' as TenantId;
const record = (over: Partial<ImageRecord>): ImageRecord => ({
  id: 'img-1' as ImageId,
  owner: 'acme',
  name: 'web',
  digest: 'a'.repeat(64),
  format: 'qcow2',
  sizeBytes: 1,
  sharedWith: [],
  deprecated: false,
  state: 'ready',
  createdAt: 1,
  ...over,
});

describe('which image a tenant means', () => {
  const b = 'b'.repeat(64);
  const own = record({});
  const newer = record({ digest: b, createdAt: 2 });
  const ofSite = record({ owner: 'site', createdAt: 9 });
  const shared = record({ owner: 'rival', sharedWith: [acme], createdAt: 9 });
  const hidden = record({ owner: 'rival', createdAt: 9 });

  it.each([
    ['its own before the site’s', [ofSite, own], 'web', own],
    ['its newest', [own, newer], 'web', newer],
    ['not one that is deprecated', [own, { ...newer, deprecated: true }], 'web', own],
    [
      'but that by its digest',
      [own, { ...newer, deprecated: true }],
      `web@sha256:${b}`,
      { ...newer, deprecated: true },
    ],
    ['the site’s where it has none', [ofSite], 'web', ofSite],
    ['one that is shared, by its owner', [own, shared], 'rival/web', shared],
  ])('%s', (_, all, text, image) => {
    expect(resolveImage(all, imageReference(text) as never, acme)).toEqual({ kind: 'image', image });
  });

  it.each([
    ['a plain name is never another tenant’s, shared or not', [shared], 'web', 'host-image'],
    ['one that is not shared', [hidden], 'rival/web', 'unknown'],
    ['one that is being uploaded', [{ ...own, state: 'uploading' as const }], 'acme/web', 'unknown'],
    [
      'one that is being removed',
      [{ ...own, state: 'removing' as const }],
      `web@sha256:${'a'.repeat(64)}`,
      'unknown',
    ],
    [
      'only deprecated ones: no host’s of that name is taken instead',
      [{ ...own, deprecated: true }],
      'web',
      'unknown',
    ],
  ])('%s', (_, all, text, kind) => {
    expect(resolveImage(all, imageReference(text) as never, acme).kind).toBe(kind);
  });

  it('needs room for the disk of the image, and what was said of it', () => {
    const image = record({ virtualBytes: 3 * 1_048_576 + 1, leastMemoryMiB: 96 });
    expect(leastDiskMiBOf(image)).toBe(4);
    expect(leastDiskMiBOf({ ...image, format: 'tar' })).toBe(0);
    const of = (memoryMiB: number, diskMiB: number) =>
      unfitFor(image, { cpuMillis: 100, memoryMiB, diskMiB, bandwidthKbps: 0 }, 0)?.pointer;
    expect(of(96, 4)).toBeUndefined();
    expect(of(95, 4)).toBe('capacity/memoryMiB');
    expect(of(96, 3)).toBe('capacity/diskMiB');
  });
});

function qcow2(change: (header: Buffer) => void = () => undefined): Buffer {
  const header = Buffer.alloc(QCOW2_HEADER_BYTES);
  header.writeUInt32BE(0x514649fb, 0);
  header.writeUInt32BE(3, 4);
  header.writeUInt32BE(16, 20);
  header.writeUInt32BE(1, 36);
  header.writeBigUInt64BE(1_048_576n, 24);
  change(header);
  return header;
}

describe('an archive that writes through a link of its own', () => {
  const entry = (path: string, type = 'File', linkPath = 'usr/lib') => ({
    path,
    type,
    linkPath,
    sizeBytes: 1,
  });
  it.each<[string, ReturnType<typeof entry>[], boolean]>([
    ['is refused', [entry('lib', 'SymbolicLink'), entry('lib/a')], true],
    ['also deep', [entry('./a/b', 'SymbolicLink'), entry('a//b/c/d')], true],
    ['may have both apart', [entry('lib', 'SymbolicLink'), entry('library/a'), entry('usr/lib/a')], false],
    [
      'may put a folder in its place',
      [entry('s', 'SymbolicLink'), entry('s/', 'Directory'), entry('s/x')],
      false,
    ],
  ])('%s', (_, entries, refused) => {
    const bounds = new ArchiveBounds(archiveLimits(1));
    expect(entries.some((e) => bounds.take(e) !== undefined)).toBe(refused);
    // Over what an earlier layer has left, hosts follow links inside the root.
    bounds.begin();
    expect(bounds.take(entry('lib/a'))).toBeUndefined();
  });

  it('has no path that is longer than any', () =>
    expect(new ArchiveBounds(archiveLimits(1)).take(entry('a/'.repeat(3_000)))).toMatch(/longer/));
});

describe('images that mean harm', () => {
  it.each<[string, Buffer]>([
    ['a backing file', qcow2((h) => h.writeBigUInt64BE(104n, 8))],
    ['data in another file', qcow2((h) => h.writeBigUInt64BE(4n, 72))],
    ['corruption that it tells of', qcow2((h) => h.writeBigUInt64BE(2n, 72))],
    ['encryption', qcow2((h) => h.writeUInt32BE(1, 32))],
    ['a table for a disk far larger than its own', qcow2((h) => h.writeUInt32BE(8_192, 36))],
    ['clusters of four gigabytes', qcow2((h) => h.writeUInt32BE(32, 20))],
    ['a disk of an exbibyte', qcow2((h) => h.writeBigUInt64BE(2n ** 60n, 24))],
    ['nothing of a qcow2', Buffer.from('#!/bin/sh')],
  ])('a qcow2 with %s is refused', (_, bytes) => expect(readQcow2(bytes)).toHaveProperty('refused'));

  it('a sound one tells its disk’s size', () =>
    expect(readQcow2(qcow2())).toEqual({ virtualBytes: 1_048_576 }));

  it.each([
    ['/etc/passwd', 'File', ''],
    ['../escape', 'File', ''],
    ['a/../../b', 'File', ''],
    ['dev/sda', 'BlockDevice', ''],
    ['dev/tty', 'CharacterDevice', ''],
    ['pipe', 'FIFO', ''],
    ['link', 'SymbolicLink', '../../etc'],
    ['a/link', 'SymbolicLink', '../../etc'],
    ['hard', 'Link', '/etc/shadow'],
    ['hard', 'Link', 'a/../../etc/shadow'],
    ['nul\0', 'File', ''],
  ])('an archive with %j (%s to %j) is refused', (path, type, linkPath) => {
    expect(entryRefusal({ path, type, linkPath, sizeBytes: 0 })).toBeDefined();
  });

  it.each([
    ['./bin/sh', 'File', ''],
    ['bin/sh', 'SymbolicLink', '/bin/busybox'],
    ['usr/bin/x', 'SymbolicLink', '../../bin/y'],
    ['a', 'Link', 'b/c'],
    ['d/', 'Directory', ''],
  ])('one with %j (%s to %j) is not', (path, type, linkPath) => {
    expect(entryRefusal({ path, type, linkPath, sizeBytes: 0 })).toBeUndefined();
  });

  it('one that unpacks to more than it may, or to too many files, is refused', () => {
    const file = { path: 'a', type: 'File', sizeBytes: 60 };
    const bounds = new ArchiveBounds({ entries: 3, bytes: 100 });
    expect(bounds.take(file)).toBeUndefined();
    expect(bounds.take(file)).toMatch(/more than 100 bytes/);
    const many = new ArchiveBounds({ entries: 1, bytes: 1_000 });
    many.take(file);
    expect(many.take(file)).toMatch(/more than 1 files/);
    expect(archiveLimits(1).bytes).toBeLessThan(archiveLimits(10 * 1_048_576).bytes);
  });
});
