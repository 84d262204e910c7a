import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostId } from '../../domain/ids';
import type { Driver, VeeRef } from '../../drivers/contract';
import { createQemuDriver } from '../../drivers/qemu/driver';
import { qemuObstacle } from '../../drivers/qemu/probe';
import { specFor } from '../support/specs';

const MEMORY_MIB = 64;
const DISK_MIB = 24;

const missing =
  qemuObstacle()?.missing ?? (process.getuid?.() === 0 ? undefined : 'root, to have a small disk');
if (missing) {
  it.skip(`faults of machines need ${missing}`, () => undefined);
} else {
  /** Of an image with nothing on it: its firmware finds no system, and answers nobody. */
  describe('a machine', () => {
    let folder: string;
    let small: string;
    let driver: Driver;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'sluice-faults-'));
      small = join(folder, `a;b $(reboot) 'c' "d"`);
      await mkdir(small);
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'sluice-faults', small]);
      execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', join(folder, 'blank.qcow2'), '8M']);
      driver = await createQemuDriver({
        ...{ hostId: 'f' as HostId, dataDir: join(small, 'data'), imagesDir: folder, accelerator: 'tcg' },
      });
    });
    afterAll(async () => {
      for (const { veeId } of await driver.list()) await driver.destroy({ veeId, epoch: 99 });
      await driver.close();
      execFileSync('umount', [small]);
      await rm(folder, { recursive: true, force: true });
    });
    const blank = async (name: string) => {
      const capacity = { cpuMillis: 1_000, memoryMiB: MEMORY_MIB, diskMiB: 16, bandwidthKbps: 0 };
      const spec = specFor(`vee-${name}-${process.pid}`, { image: 'blank', capacity });
      await driver.define(spec);
      await driver.start(spec);
      return spec;
    };
    const stateOf = async ({ veeId }: VeeRef) => (await driver.inspect(veeId, false))?.state;
    const fillDisk = () => {
      try {
        execFileSync('dd', ['if=/dev/zero', `of=${join(small, 'filler')}`, 'bs=1M'], { stdio: 'ignore' });
      } catch {
        // It is full: that is what was wanted.
      }
    };

    it('that answers nobody when it is to end is switched off when its time is over, and not before', async () => {
      const spec = await blank('deaf');
      const began = performance.now();
      await driver.stop(spec, 400);
      expect(performance.now() - began).toBeGreaterThan(400);
      expect(await driver.inspect(spec.veeId)).toMatchObject({ state: 'DEFINED', ready: false });
      expect((await driver.inspect(spec.veeId))?.pid).toBeUndefined();
      await driver.destroy(spec);
    });

    it('whose disk is full when it is suspended runs on, and is suspended when there is room', async () => {
      const spec = await blank('full');
      const pid = (await driver.inspect(spec.veeId, false))?.pid;
      fillDisk();
      await expect(driver.suspend(spec)).rejects.toBeDefined();
      expect(await driver.inspect(spec.veeId, false)).toMatchObject({ state: 'ACTIVE', pid });
      await rm(join(small, 'filler'));
      await driver.suspend(spec);
      expect(await stateOf(spec)).toBe('SUSPENDED');
      await driver.restore(spec);
      expect(await stateOf(spec)).toBe('ACTIVE');
      await driver.destroy(spec);
    });

    it('that finds no room to be made is refused, and made when there is some', async () => {
      fillDisk();
      await writeFile(join(small, 'filler-2'), Buffer.alloc(4_096)).catch(() => undefined);
      await expect(blank('roomless')).rejects.toThrow(/ENOSPC|No space left/);
      await rm(join(small, 'filler'));
      await rm(join(small, 'filler-2'), { force: true });
      const spec = await blank('roomless');
      expect(await stateOf(spec)).toBe('ACTIVE');
      await driver.destroy(spec);
    });
  });
}
