import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostId } from '../../domain/ids';
import { packWarm } from '../../drivers/lib/pack-warm';
import { VeeRecords } from '../../drivers/lib/vee-records';
import { createQemuDriver } from '../../drivers/qemu/driver';
import { Images, TEST_GUEST } from '../../drivers/qemu/images';
import { Machines } from '../../drivers/qemu/machines';
import { QEMU } from '../../drivers/qemu/probe';
import { loadState } from '../../drivers/qemu/state-file';
import { warmLayout } from '../../drivers/qemu/warm';
import { FileRegistry } from '../../test/support/registry';
import { specFor } from '../../test/support/specs';
import { type Row, rowOf } from './figures';

/**
 * A VEE from a warm image that its host has: until it runs, on a disk of its own, and knows who it is. Beside it QEMU alone, begun
 * with the same state until it runs, as nobody in particular.
 */
export async function warmStarts(rounds: number): Promise<Row[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sw-'));
  const registry = new FileRegistry();
  const images = registry.cache(folder);
  const dataDir = join(folder, 'w');
  const driver = await createQemuDriver({ hostId: 'w' as HostId, dataDir, accelerator: 'tcg', images });
  const records = new VeeRecords(dataDir);
  const machines = new Machines(records, QEMU);
  const specOf = (name: string, image: string) =>
    specFor(name, { image, capacity: { cpuMillis: 500, memoryMiB: 96, diskMiB: 48, bandwidthKbps: 0 } });
  const first = specOf('first', TEST_GUEST);
  const [ours, theirs]: [number[], number[]] = [[], []];
  try {
    await driver.define(first);
    await driver.start(first);
    while ((await driver.exec(first, ['test', '-e', '/run/counter']).catch(() => undefined))?.exitCode !== 0)
      await delay(200);
    const parts = join(folder, 'parts');
    await mkdir(parts);
    const facts = await driver.capture?.(first, parts);
    await driver.destroy({ ...first, epoch: 2 });
    await packWarm(parts, join(folder, 'image'));
    const name = await registry.add('warm', join(folder, 'image'), 'warm', facts?.on);
    for (let round = 0; round < rounds; round++) {
      const bare = specOf(`bare-${round}`, name);
      await driver.define(bare);
      const image = await new Images(folder, images).findFor(name, records.folder(bare.veeId));
      if (!image.warm) throw new Error('no warm image');
      const layout = warmLayout(image.warm, image.digest, bare);
      let began = performance.now();
      const qmp = await loadState(machines, bare.veeId, layout, image, image.warm.memoryPath);
      await qmp.execute('cont');
      theirs.push(performance.now() - began);
      await machines.end(bare.veeId, 0);
      await driver.destroy({ ...bare, epoch: 2 });

      const vee = specOf(`vee-${round}`, name);
      await driver.define(vee);
      began = performance.now();
      await driver.start(vee);
      ours.push(performance.now() - began);
      await driver.destroy({ ...vee, epoch: 2 });
    }
    return [rowOf('start from a warm image', theirs, ours, 1.5)];
  } finally {
    for (const { veeId } of await driver.list()) await driver.destroy({ veeId, epoch: 999 });
    machines.close();
    await driver.close();
    await rm(folder, { recursive: true, force: true });
  }
}
