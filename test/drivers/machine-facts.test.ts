import { link, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { foundCapacity, machineAttributes, withoutReserve } from '../../drivers/lib/machine-facts';
import { withoutOwn } from '../../drivers/qemu/host';

describe('what a machine has', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-facts-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('is offered without what it keeps for itself, and never less than nothing', async () => {
    const all = await foundCapacity(folder);
    expect(all.cpuMillis).toBe(cpus().length * 1_000);
    expect(all.memoryMiB).toBeGreaterThan(128);
    expect(withoutReserve(all, { cpuMillis: 250, memoryMiB: 100 })).toEqual({
      ...all,
      cpuMillis: all.cpuMillis - 250,
      memoryMiB: all.memoryMiB - 100,
    });
    expect(withoutReserve(all, { memoryMiB: 1e9, diskMiB: 1e9 })).toMatchObject({ memoryMiB: 0, diskMiB: 0 });
    expect(await foundCapacity(folder, { cpuMillis: 250 })).toMatchObject({ cpuMillis: all.cpuMillis - 250 });
  });

  it('counts the disks of its own VEEs as room that it has', async () => {
    const vee = join(folder, 'vees', 'v', 'data', 'deep');
    await mkdir(vee, { recursive: true });
    // Real blocks, not a hole; others write on this disk meanwhile, so by much.
    await writeFile(join(vee, 'file'), Buffer.alloc(64 * 1_048_576, 1));
    const [without, having] = [await foundCapacity(join(folder, 'vees')), await foundCapacity(folder)];
    expect(having.diskMiB - without.diskMiB).toBeGreaterThan(32);
    // An image that many hold would not be free without them.
    await link(join(vee, 'file'), join(folder, 'image'));
    for (let n = 0; n < 20; n++) await link(join(folder, 'image'), join(vee, `image-${n}`));
    const [bare, holding] = [await foundCapacity(join(folder, 'vees')), await foundCapacity(folder)];
    expect(holding.diskMiB - bare.diskMiB).toBeLessThan(32);
  });

  it('is less by what QEMU takes for itself with each machine', () => {
    const capacity = { cpuMillis: 1, memoryMiB: 11_040, diskMiB: 1, bandwidthKbps: 1 };
    expect(withoutOwn(capacity)).toEqual({ ...capacity, memoryMiB: 10_240 });
  });

  it('is told in attributes that a site takes', async () => {
    const attributes = await machineAttributes(folder);
    expect(Object.keys(attributes)).toEqual(
      expect.arrayContaining(['cpu.model', 'cpu.cores', 'memory.MiB', 'disk.freeMiB', 'kernel']),
    );
    for (const [name, value] of Object.entries(attributes)) {
      expect(name.length).toBeLessThanOrEqual(63);
      expect(value.length).toBeLessThanOrEqual(200);
    }
  });
});
