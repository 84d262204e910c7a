import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from 'tar';
import type { HostId } from '../../domain/ids';
import { ArchiveBounds, archiveLimits } from '../../domain/images/archive';
import { createContainerDriver } from '../../drivers/container/driver';
import { busyboxRootFs } from '../../drivers/container/image';
import { unpackImage } from '../../drivers/container/oci-layout';
import { containerObstacle } from '../../drivers/container/runtime';
import { unpackLayer, within } from '../../drivers/container/unpack';
import type { Driver } from '../../drivers/contract';
import { FileRegistry } from '../support/registry';
import { specFor } from '../support/specs';

const refusal = expect.objectContaining({ code: 'driver-refused' });
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-roots-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** One entry as its header says, whatever a well-meaning archiver would have written. */
function entry(path: string, type = '0', link = '', content = '', mode = '0000644'): Buffer {
  const header = Buffer.alloc(512);
  header.write(path, 0);
  header.write(`${mode}\0`, 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        ', 148);
  header.write(type, 156);
  header.write(link, 157);
  header.write('ustar\u000000', 257);
  const sum = header.reduce((a, b) => a + b, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  body.write(content);
  return Buffer.concat([header, body]);
}

let made = 0;
async function archive(...entries: Buffer[]): Promise<string> {
  const path = join(folder, `${++made}.tar`);
  await writeFile(path, Buffer.concat([...entries, Buffer.alloc(1_024)]));
  return path;
}
async function emptyRoot(): Promise<string> {
  const root = join(folder, `root-${++made}`);
  await mkdir(root);
  return root;
}
const bounds = () => new ArchiveBounds(archiveLimits(1));

describe('an archive that means harm', () => {
  it.each<[string, Buffer[]]>([
    ['writes outside', [entry('../outside', '0', '', 'x')]],
    ['writes to an absolute path', [entry('/tmp/sluice-escaped', '0', '', 'x')]],
    ['has a device', [entry('disk', '4')]],
    ['links a file of its host', [entry('shadow', '1', '/etc/shadow')]],
    ['is cut in the middle', [entry('a', '0', '', 'x'.repeat(2_000)).subarray(0, 700)]],
  ])('that %s is refused, and nothing of it is written', async (_, entries) => {
    const root = await emptyRoot();
    await expect(unpackLayer(await archive(...entries), root, bounds())).rejects.toEqual(refusal);
    expect(await lstat('/tmp/sluice-escaped').catch(() => 'none')).toBe('none');
  });

  it('writes nothing through a link that leads out of its root', async () => {
    const root = await emptyRoot();
    const outside = await emptyRoot();
    await unpackLayer(await archive(entry('etc', '2', outside), entry('kept', '0', '', 'x')), root, bounds());
    await unpackLayer(await archive(entry('etc/passwd', '0', '', 'mine')), root, bounds());
    expect(await readdir(outside)).toEqual([]);
    // What runs there follows it inside its root, and so does what is unpacked.
    expect(await readFile(join(root, outside, 'passwd'), 'utf8')).toBe('mine');
    const both = await archive(entry('a', '2', outside), entry('a/b', '0', '', 'x'));
    await unpackLayer(both, await emptyRoot(), bounds()).catch((error) => expect(error).toEqual(refusal));
    expect(await readdir(outside)).toEqual([]);
  });

  it.each<[string, Buffer[][]]>([
    ['up again through a link', [[entry('y', '2', '.'), entry('x', '2', 'y/..')]]],
    [
      'up from where a link has brought it',
      [[entry('d', '2', '.')], [entry('d/e/', '5'), entry('d/e/f', '2', '../..')]],
    ],
    ['up behind the root', [[entry('a', '2', '/../../..')]]],
  ])('leaves no link that leads out, seen from its host: %s', async (_, layers) => {
    const root = await emptyRoot();
    for (const layer of layers)
      await unpackLayer(await archive(...layer), root, bounds()).catch((error) =>
        expect(error).toEqual(refusal),
      );
    const links = (await readdir(root, { recursive: true, withFileTypes: true })).filter((e) =>
      e.isSymbolicLink(),
    );
    for (const { parentPath, name } of links)
      expect(`${await realpath(join(parentPath, name))}/`).toContain(`${root}/`);
  });

  it('leaves nothing on its host that runs as somebody else', async () => {
    const root = await emptyRoot();
    await unpackLayer(
      await archive(entry('su', '0', '', 'x', '0006755'), entry('d/', '5', '', '', '0002755')),
      ...([root, bounds()] as const),
    );
    const modes = await Promise.all(['su', 'd'].map(async (p) => (await lstat(join(root, p))).mode & 0o7777));
    expect(modes).toEqual([0o755, 0o755]);
  });

  it('is asked for room before a byte of it is written', async () => {
    const root = await emptyRoot();
    const asked: number[] = [];
    const none = async (bytes: number) => {
      asked.push(bytes);
      throw new Error('full');
    };
    const large = await archive(entry('a', '0', '', 'x'.repeat(5_000)), entry('b', '0', '', 'x'));
    await expect(unpackLayer(large, root, bounds(), none)).rejects.toThrow('full');
    expect([asked, await readdir(root)]).toEqual([[3 * 4_096 + 2 * 1_024], []]);
  });

  it('takes nothing away outside its root', async () => {
    const root = await emptyRoot();
    const outside = await emptyRoot();
    await writeFile(join(outside, 'kept'), 'x');
    // What an earlier release, or somebody, may have left there.
    await symlink(outside, join(root, 'out'));
    await unpackLayer(await archive(entry('out/.wh.kept'), entry('out/.wh..wh..opq')), root, bounds());
    expect(await readdir(outside)).toEqual(['kept']);
  });

  it('follows links inside a root, and none in a circle', async () => {
    const root = await emptyRoot();
    await mkdir(join(root, 'usr', 'bin'), { recursive: true });
    await symlink('usr/bin', join(root, 'bin'));
    await symlink('/../../bin', join(root, 'up'));
    await symlink('loop', join(root, 'loop'));
    expect(within(root, 'bin/sh')).toBe('usr/bin/sh');
    expect(within(root, 'up/sh')).toBe('usr/bin/sh');
    expect(() => within(root, 'loop/x')).toThrow(refusal);
  });
});

/** An OCI layout of these layers, packed. */
async function oci(
  layers: Buffer[][],
  change: (path: string) => Promise<void> = async () => undefined,
): Promise<string> {
  const layout = join(folder, `layout-${++made}`);
  await mkdir(join(layout, 'blobs', 'sha256'), { recursive: true });
  const put = async (content: Buffer | string) => {
    const digest = createHash('sha256').update(content).digest('hex');
    await writeFile(join(layout, 'blobs', 'sha256', digest), content);
    return { digest: `sha256:${digest}`, size: content.length };
  };
  const config = await put(
    JSON.stringify({ config: { Entrypoint: ['/bin/tool'], Cmd: ['-v'], Env: ['LANG=C', 'bad'] } }),
  );
  const put1 = [];
  for (const layer of layers) put1.push(await put(Buffer.concat([...layer, Buffer.alloc(1_024)])));
  const manifest = await put(JSON.stringify({ schemaVersion: 2, config, layers: put1 }));
  await writeFile(join(layout, 'index.json'), JSON.stringify({ manifests: [manifest] }));
  await writeFile(join(layout, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  await change(layout);
  const path = `${layout}.tar`;
  await create({ file: path, cwd: layout }, ['.']);
  return path;
}

describe('an OCI layout', () => {
  it('is its layers over each other, with what they take away, and says what it starts', async () => {
    const root = await emptyRoot();
    const path = await oci([
      [
        entry('bin/', '5'),
        entry('bin/tool', '0', '', 'one'),
        entry('old', '0', '', 'x'),
        entry('d/', '5'),
        entry('d/a', '0', '', 'a'),
      ],
      [
        entry('bin/tool', '0', '', 'two'),
        entry('.wh.old'),
        entry('d/.wh..wh..opq'),
        entry('d/b', '0', '', 'b'),
      ],
    ]);
    const found = await unpackImage('oci', path, root);
    expect(found).toMatchObject({ command: ['/bin/tool', '-v'], environment: ['LANG=C'] });
    expect(await readFile(join(root, 'bin', 'tool'), 'utf8')).toBe('two');
    expect(await readdir(join(root, 'd'))).toEqual(['b']);
    expect(await readdir(root)).toEqual(['bin', 'd', 'data', 'dev', 'etc', 'proc', 'run', 'sys', 'tmp']);
  });

  it('of which a part is something else than it says is refused', async () => {
    const path = await oci([[entry('a', '0', '', 'x')]], async (layout) => {
      const blobs = join(layout, 'blobs', 'sha256');
      for (const name of await readdir(blobs))
        if ((await readFile(join(blobs, name))).includes('ustar')) await writeFile(join(blobs, name), 'else');
    });
    await expect(unpackImage('oci', path, await emptyRoot())).rejects.toEqual(refusal);
  });

  it('whose layer means harm is refused as an archive is', async () => {
    const path = await oci([[entry('../x', '0', '', 'x')]]);
    await expect(unpackImage('oci', path, await emptyRoot())).rejects.toEqual(refusal);
  });
});

const obstacle = containerObstacle();
(obstacle ? describe.skip : describe)('containers of images of the registry', () => {
  let driver: Driver;
  const registry = new FileRegistry();
  const spec = (name: string, image: string, command: string[]) =>
    specFor(`vee-${name}-${process.pid}`, { image, command });

  beforeAll(async () => {
    const dataDir = join(folder, 'host');
    driver = await createContainerDriver({ hostId: 'h' as HostId, dataDir, images: registry.cache(folder) });
  });
  afterAll(async () => {
    for (const { veeId } of await driver.list()) await driver.destroy({ veeId, epoch: 99 });
    await driver.close();
  });

  it('run from one root that they can’t write to, each with its own /data', async () => {
    const path = join(folder, 'busybox.tar.gz');
    await create({ file: path, gzip: true, cwd: await busyboxRootFs() }, ['.']);
    await writeFile(join(folder, 'marker'), 'from the registry');
    const image = await registry.add('box', path, 'tar');
    expect((await driver.fingerprint()).images).toEqual(['busybox', 'registry:tar', 'registry:oci']);
    const vees = ['one', 'two'].map((n) =>
      spec(n, image, ['/bin/sh', '-c', 'touch /x; echo mine > /data/f; sleep 60']),
    );
    await Promise.all(vees.map((v) => driver.define(v)));
    for (const vee of vees) await driver.start(vee);
    expect(await readdir(join(folder, 'images', 'roots'))).toHaveLength(2);
    for (const vee of vees) {
      const { stdout } = await driver.exec(vee, ['/bin/sh', '-c', 'sleep 0.1; ls -d /x /data/f']);
      expect(stdout.trim()).toBe('/data/f');
      await driver.stop(vee, 0);
      await driver.start(vee);
    }
  });

  it('are refused where the image is another’s kind, or is gone', async () => {
    const gone = `acme/none@sha256:${'0'.repeat(64)}.tar`;
    for (const image of [gone, gone.replace('.tar', '.qcow2')])
      await expect(driver.define(spec('none', image, []))).rejects.toMatchObject({ code: 'image-unknown' });
  });
});
