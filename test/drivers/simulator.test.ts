import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostId } from '../../domain/ids';
import { createSimulatorDriver } from '../../drivers/simulator/driver';
import type { SimulatorScript } from '../../drivers/simulator/script';
import { SIMULATED_LOAD } from '../../drivers/simulator/usage';
import { specFor } from '../support/specs';
import { contractSuite } from './contract-suite';

contractSuite({
  name: 'simulator',
  create: (hostId, dataDir) => createSimulatorDriver({ hostId, dataDir, devices: { gpu: 2 } }),
});

describe('a scripted simulator', () => {
  async function scripted(script: SimulatorScript) {
    const dataDir = await mkdtemp(join(tmpdir(), 'sluice-sim-'));
    await writeFile(join(dataDir, 'script.json'), JSON.stringify(script));
    return { dataDir, driver: await createSimulatorDriver({ hostId: 'h' as HostId, dataDir }) };
  }

  it('says that it is one', async () => {
    const { driver } = await scripted({});
    expect(await driver.fingerprint()).toMatchObject({ real: false, driver: 'simulator' });
  });

  it('measures what its VEEs pretend to use while they run, and nothing where none does', async () => {
    const { driver } = await scripted({});
    const [silent, loud] = [specFor('vee-a'), specFor('vee-b', { environment: { [SIMULATED_LOAD]: '50' } })];
    await driver.define(silent);
    expect(await driver.measure([silent.veeId, loud.veeId])).toBeUndefined();
    await driver.define(loud);
    await driver.start(loud);
    const before = (await driver.measure([silent.veeId, loud.veeId]))?.vees.get(loud.veeId);
    const began = performance.now();
    await new Promise((r) => setTimeout(r, 50));
    const after = (await driver.measure([silent.veeId, loud.veeId]))?.vees.get(loud.veeId);
    const perMilli = ((after?.cpuMicros ?? 0) - (before?.cpuMicros ?? 0)) / (performance.now() - began);
    // Half of 200 thousandths of a core.
    expect(perMilli).toBeGreaterThan(90);
    expect(perMilli).toBeLessThan(110);
    expect(after?.memoryMiB).toBe(16);
  });

  it('believes what is on disk, also what it has read before and somebody has changed since', async () => {
    const { dataDir, driver } = await scripted({});
    const spec = specFor('vee-a');
    await driver.define(spec);
    await driver.start(spec);
    expect(await driver.inspect(spec.veeId)).toMatchObject({ state: 'ACTIVE' });
    const path = join(dataDir, 'vees', spec.veeId, 'vee.json');
    const kept = JSON.parse(await readFile(path, 'utf8'));
    await writeFile(path, JSON.stringify({ ...kept, state: 'PAUSED' }));
    expect(await driver.inspect(spec.veeId)).toMatchObject({ state: 'PAUSED' });
    await rm(path);
    expect(await driver.inspect(spec.veeId)).toBeUndefined();
    await writeFile(path, JSON.stringify({ ...kept, state: 'EXITED' }));
    expect(await driver.list()).toMatchObject([{ state: 'EXITED' }]);
  });

  it.each([
    ['1e300', 320],
    ['-5', 0],
    ['much', 0],
    ['Infinity', 320],
  ])('pretends to use ten times what a VEE asks for at most: %s percent', async (percent, memoryMiB) => {
    const { driver } = await scripted({});
    const spec = specFor('vee-a', { environment: { [SIMULATED_LOAD]: percent } });
    await driver.define(spec);
    await driver.start(spec);
    expect((await driver.measure([spec.veeId]))?.vees.get(spec.veeId)).toEqual({ cpuMicros: 0, memoryMiB });
  });

  it('fails the n-th call before its effect', async () => {
    const { driver } = await scripted({ faults: [{ verb: 'start', call: 2, when: 'before', do: 'fail' }] });
    const [a, b] = [specFor('vee-a'), specFor('vee-b')];
    for (const s of [a, b]) await driver.define(s);
    await driver.start(a);
    await expect(driver.start(b)).rejects.toMatchObject({ code: 'driver-failed' });
    expect((await driver.inspect(b.veeId))?.state).toBe('DEFINED');
    await driver.start(b);
  });

  it('fails after the effect, and counts calls across a restart of its agent', async () => {
    const { driver, dataDir } = await scripted({
      faults: [{ verb: 'start', call: 2, when: 'after', do: 'fail', code: 'driver-refused' }],
    });
    const [a, b] = [specFor('vee-a'), specFor('vee-b')];
    for (const s of [a, b]) await driver.define(s);
    await driver.start(a);
    const again = await createSimulatorDriver({ hostId: 'h' as HostId, dataDir });
    await expect(again.start(b)).rejects.toMatchObject({ code: 'driver-refused' });
    expect((await again.inspect(b.veeId))?.state).toBe('ACTIVE');
  });

  it('lies: reports success without the effect', async () => {
    const { driver } = await scripted({ faults: [{ verb: 'start', call: 1, when: 'before', do: 'lie' }] });
    const a = specFor('vee-a');
    await driver.define(a);
    await driver.start(a);
    expect((await driver.inspect(a.veeId))?.state).toBe('DEFINED');
  });

  it('hangs for ever', async () => {
    const { driver } = await scripted({ faults: [{ verb: 'start', call: 1, when: 'before', do: 'hang' }] });
    const a = specFor('vee-a');
    await driver.define(a);
    const late = new Promise((resolve) => setTimeout(() => resolve('still waiting'), 200));
    expect(await Promise.race([driver.start(a), late])).toBe('still waiting');
  });
});
