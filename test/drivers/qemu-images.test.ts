import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostId } from '../../domain/ids';
import type { Driver } from '../../drivers/contract';
import { createQemuDriver } from '../../drivers/qemu/driver';
import { qemuObstacle } from '../../drivers/qemu/probe';
import { FileRegistry } from '../support/registry';
import { specFor } from '../support/specs';

const MIB = 1_048_576;
/** A qcow2 whose first-level table leads again and again to one second-level table, each entry of which is out of place. */
function faulty(l1Size: number): Buffer {
  const cluster = 65_536;
  const disk = Buffer.alloc(5 * cluster);
  disk.writeUInt32BE(0x514649fb, 0);
  disk.writeUInt32BE(3, 4);
  disk.writeUInt32BE(16, 20);
  disk.writeBigUInt64BE(1_048_576n, 24);
  disk.writeUInt32BE(l1Size, 36);
  disk.writeBigUInt64BE(BigInt(cluster), 40);
  disk.writeBigUInt64BE(BigInt(2 * cluster), 48);
  disk.writeUInt32BE(1, 56);
  disk.writeUInt32BE(4, 96);
  disk.writeUInt32BE(104, 100);
  for (let n = 0; n < l1Size; n++) disk.writeBigUInt64BE(2n ** 63n + BigInt(3 * cluster), cluster + 8 * n);
  disk.writeBigUInt64BE(BigInt(4 * cluster), 2 * cluster);
  for (let n = 0; n < 8_192; n++)
    disk.writeBigUInt64BE(2n ** 63n + BigInt(cluster + 512), 3 * cluster + 8 * n);
  for (let n = 0; n < 5; n++) disk.writeUInt16BE(1, 4 * cluster + 2 * n);
  return disk;
}

const missing = qemuObstacle()?.missing;

// Counted as skipped where machines can't run; CI installs what is missing.
(missing ? describe.skip : describe)('machines of images of the registry', () => {
  const registry = new FileRegistry();
  let folder: string;
  let here: Driver;
  let there: Driver;
  let image: string;

  const open = (host: string) =>
    createQemuDriver({
      ...{ hostId: host as HostId, dataDir: join(folder, host, 'hosts', host), accelerator: 'tcg' },
      ...{ imagesDir: folder, images: registry.cache(join(folder, host)) },
    });
  const specOf = (name: string, of: string, diskMiB = 16) =>
    specFor(`vee-${name}-${process.pid}`, {
      ...{ image: of, capacity: { cpuMillis: 500, memoryMiB: 64, diskMiB, bandwidthKbps: 0 } },
    });
  const blobs = (host: string) => join(folder, host, 'images', 'blobs');

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-qemu-images-'));
    await writeFile(join(folder, 'content'), randomBytes(2 * MIB));
    const tool = (...args: string[]) => execFileSync('qemu-img', args, { cwd: folder });
    tool('convert', '-q', '-f', 'raw', '-O', 'qcow2', 'content', 'disk');
    tool('create', '-q', '-f', 'qcow2', '-b', '/etc/passwd', '-F', 'raw', 'thief', '8M');
    image = await registry.add('debian', join(folder, 'disk'), 'qcow2');
    [here, there] = await Promise.all([open('a'), open('b')]);
  });
  afterAll(async () => {
    for (const driver of [here, there]) {
      for (const { veeId } of await driver.list()) await driver.destroy({ veeId, epoch: 99 });
      await driver.close();
    }
    await rm(folder, { recursive: true, force: true });
  });

  it('read through a disk of their own, and move to a host that fetches the image first', async () => {
    expect((await here.fingerprint()).images).toEqual(
      expect.arrayContaining(['registry:qcow2', 'registry:raw']),
    );
    const vee = specOf('moves', image);
    await here.define(vee);
    await here.start(vee);
    const [digest = ''] = /[0-9a-f]{64}/.exec(image) ?? [];
    expect((await stat(join(blobs('a'), digest))).nlink).toBe(2);
    await expect(stat(join(blobs('b'), digest))).rejects.toMatchObject({ code: 'ENOENT' });

    const target = { ...vee, epoch: 2 };
    const offer = await there.prepareTarget(target);
    await here.send(vee, offer);
    await there.switchOver(target);
    await here.finish(target);
    expect((await there.inspect(vee.veeId, false))?.state).toBe('ACTIVE');
    await there.stop(target, 0);
    const disk = join(folder, 'b', 'hosts', 'b', 'vees', vee.veeId, 'disk.qcow2');
    const raw = join(folder, 'read-back');
    execFileSync('qemu-img', ['convert', '-f', 'qcow2', '-O', 'raw', disk, raw]);
    execFileSync('cmp', ['-n', String(2 * MIB), raw, join(folder, 'content')]);
    // Nobody there uses it any more: it may go when room is needed.
    expect((await stat(join(blobs('a'), digest))).nlink).toBe(1);
    await there.start(target);
    await there.destroy({ ...target, epoch: 3 });
    expect((await stat(join(blobs('b'), digest))).nlink).toBe(1);
  });

  it('have a disk that holds the image', async () => {
    await expect(here.define(specOf('small', image, 1))).rejects.toMatchObject({ code: 'driver-refused' });
  });

  it('run from none that names a file of the host, whatever the registry has let in', async () => {
    const thief = await registry.add('thief', join(folder, 'thief'), 'qcow2');
    await expect(here.define(specOf('thief', thief))).rejects.toMatchObject({
      ...{ code: 'driver-refused', message: expect.stringContaining('another file') },
    });
    await here.destroy({ veeId: specOf('thief', thief).veeId, epoch: 2 });
    // A quarter of a million faults, told one by one: nobody listens.
    await writeFile(join(folder, 'bomb'), faulty(32));
    const bomb = await registry.add('bomb', join(folder, 'bomb'), 'qcow2');
    await expect(here.define(specOf('bomb', bomb))).rejects.toMatchObject({
      ...{ code: 'driver-refused', message: expect.stringContaining('corrupt') },
    });
    await here.destroy({ veeId: specOf('bomb', bomb).veeId, epoch: 2 });
    await expect(here.define(specOf('tar', image.replace('.qcow2', '.tar')))).rejects.toMatchObject({
      code: 'image-unknown',
    });
  });
});
