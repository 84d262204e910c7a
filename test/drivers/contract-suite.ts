/// <reference types="jest" />
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostId } from '../../domain/ids';
import type { Driver, VeeRef, VeeSpec } from '../../drivers/contract';
import { specFor } from '../support/specs';

export interface DriverUnderTest {
  readonly name: string;
  create(hostId: HostId, dataDir: string): Promise<Driver>;
  /** What its hosts can run, where that is not the usual thing. */
  readonly template?: Partial<VeeSpec['template']>;
  /** What the usual one is resized to while it runs, where that is not the usual size. */
  readonly resizedMemoryMiB?: number;
}

/**
 * The executable form of `drivers/contract.ts`, for drivers in packages of their own as well (`sluice/contract-suite`).
 * Each host is a folder; `reopen` makes a new driver on it, as an agent that was killed and came back would. What a driver
 * says that it can't do, it has to refuse.
 */
export function contractSuite({ name, create, template, resizedMemoryMiB = 48 }: DriverUnderTest): void {
  describe(`driver contract: ${name}`, () => {
    let folder: string;
    let driver: Driver;
    let other: Driver;
    let serial = 0;
    const open = (host: string) => create(host as HostId, join(folder, host));
    const reopen = async () => {
      await driver.close();
      driver = await open('host-a');
      await driver.recover();
    };
    const reopenOther = async () => {
      await other.close();
      other = await open('host-b');
      await other.recover();
    };

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'sluice-driver-'));
      driver = await open('host-a');
      other = await open('host-b');
    });
    afterAll(async () => {
      for (const d of [driver, other]) {
        for (const v of await d.list()) await d.destroy(v);
        await d.close();
      }
      await rm(folder, { recursive: true, force: true });
    });

    function specOf(): VeeSpec {
      return specFor(`vee-${name}-${process.pid}-${serial++}`, {
        environment: { GREETING: 'hello' },
        ...template,
      });
    }
    async function running(): Promise<VeeSpec> {
      const spec = specOf();
      await driver.define(spec);
      await driver.start(spec);
      return spec;
    }
    function withGpus(gpu: number): VeeSpec {
      const spec = specOf();
      const capacity = { ...spec.template.capacity, devices: { gpu } };
      return { ...spec, template: { ...spec.template, capacity } };
    }
    const stateOf = async (ref: VeeRef, d = driver) => (await d.inspect(ref.veeId))?.state;
    const code = (c: string) => expect.objectContaining({ name: 'SluiceError', code: c });

    it('gives each device to one VEE at a time, also after its agent has died', async () => {
      const [one, two] = [withGpus(1), withGpus(1)];
      const numbers = async (ref: VeeRef) => (await driver.inspect(ref.veeId))?.devices?.gpu;
      await Promise.all([driver.define(one), driver.define(two)]);
      expect([...((await numbers(one)) ?? []), ...((await numbers(two)) ?? [])].sort()).toEqual([0, 1]);
      await driver.define(one);
      await reopen();
      const three = withGpus(2);
      await expect(driver.define(three)).rejects.toEqual(code('driver-failed'));
      const before = await numbers(two);
      await driver.destroy(one);
      await expect(driver.define(three)).rejects.toEqual(code('driver-failed'));
      await driver.resize(two, { ...two.template.capacity, memoryMiB: resizedMemoryMiB });
      expect(await numbers(two)).toEqual(before);
      await driver.destroy(two);
      await driver.define(three);
      expect(await numbers(three)).toEqual([0, 1]);
      await driver.destroy(three);
      const none = await running();
      expect(await numbers(none)).toBeUndefined();
      await driver.destroy(none);
    });

    it('tells what the host is', async () => {
      const print = await driver.fingerprint();
      expect(print.driver).toBe(driver.name);
      expect(print.capacity.cpuMillis).toBeGreaterThan(0);
      // A site takes no longer one.
      expect(print.description.length).toBeLessThanOrEqual(200);
      expect(print.images).toContain(specOf().template.image);
    });

    it('refuses an image it does not have', async () => {
      const spec = specOf();
      const unknown = { ...spec, template: { ...spec.template, image: 'no-such-image' } };
      await expect(driver.define(unknown)).rejects.toEqual(code('image-unknown'));
      expect(await driver.inspect(spec.veeId)).toBeUndefined();
    });

    it('leads a VEE from definition to destruction, each verb twice, the agent killed between each pair', async () => {
      const spec = specOf();
      const life: [() => Promise<unknown>, string | undefined][] = [
        [() => driver.define(spec), 'DEFINED'],
        [() => driver.start(spec), 'ACTIVE'],
        [() => driver.pause(spec), 'PAUSED'],
        [() => driver.resume(spec), 'ACTIVE'],
        [() => driver.stop(spec, 500), 'DEFINED'],
        [() => driver.start(spec), 'ACTIVE'],
        [() => driver.destroy(spec), undefined],
      ];
      for (const [verb, state] of life) {
        await verb();
        await reopen();
        await verb();
        expect(await stateOf(spec)).toBe(state);
      }
    });

    it('suspends and restores, or says that it can’t', async () => {
      const spec = await running();
      const { suspend } = (await driver.fingerprint()).capabilities;
      if (suspend) {
        await driver.suspend(spec);
        await reopen();
        await driver.suspend(spec);
        expect(await stateOf(spec)).toBe('SUSPENDED');
        await driver.restore(spec);
        await reopen();
        await driver.restore(spec);
        expect(await stateOf(spec)).toBe('ACTIVE');
      } else {
        await expect(driver.suspend(spec)).rejects.toEqual(code('capability-missing'));
        await expect(driver.restore(spec)).rejects.toEqual(code('capability-missing'));
      }
      await driver.destroy(spec);
    });

    it('refuses transitions that the state does not allow, and changes nothing', async () => {
      const spec = specOf();
      await driver.define(spec);
      for (const verb of ['pause', 'resume'] as const)
        await expect(driver[verb](spec)).rejects.toEqual(code('transition-illegal'));
      const { migration } = (await driver.fingerprint()).capabilities;
      const refusal = migration === 'none' ? 'capability-missing' : 'transition-illegal';
      await expect(driver.switchOver(spec)).rejects.toEqual(code(refusal));
      expect(await stateOf(spec)).toBe('DEFINED');
      await driver.start(spec);
      await driver.pause(spec);
      await expect(driver.start(spec)).rejects.toEqual(code('transition-illegal'));
      await expect(driver.resize(spec, spec.template.capacity)).rejects.toEqual(code('transition-illegal'));
      expect(await stateOf(spec)).toBe('PAUSED');
      await driver.destroy(spec);
    });

    it('resizes one that is stopped, which has its new size when it starts', async () => {
      const spec = await running();
      await driver.stop(spec, 100);
      const capacity = { ...spec.template.capacity, memoryMiB: spec.template.capacity.memoryMiB + 16 };
      await driver.resize(spec, capacity);
      await driver.resize(spec, capacity);
      await reopen();
      expect(await driver.inspect(spec.veeId)).toMatchObject({ state: 'DEFINED', capacity });
      await driver.start(spec);
      expect(await driver.inspect(spec.veeId)).toMatchObject({ state: 'ACTIVE', capacity });
      await driver.destroy(spec);
    });

    it('knows no VEE that it was not given', async () => {
      const ghost = specOf();
      for (const verb of ['start', 'pause', 'resume'] as const)
        await expect(driver[verb](ghost)).rejects.toEqual(code('not-found'));
      await expect(driver.logs(ghost.veeId, 10)).rejects.toEqual(code('not-found'));
      await driver.destroy(ghost);
      expect(await driver.inspect(ghost.veeId)).toBeUndefined();
    });

    it('fences a superseded epoch, also after the VEE is gone and the agent was replaced', async () => {
      const old = await running();
      await driver.destroy({ veeId: old.veeId, epoch: 3 });
      await reopen();
      for (const act of [
        () => driver.define(old),
        () => driver.start(old),
        () => driver.define({ ...old, epoch: 3 }),
      ])
        await expect(act()).rejects.toEqual(code('epoch-fenced'));
      await driver.define({ ...old, epoch: 4 });
      await expect(driver.start(old)).rejects.toEqual(code('epoch-fenced'));
      await driver.start({ ...old, epoch: 4 });
      expect(await driver.inspect(old.veeId)).toMatchObject({ epoch: 4, state: 'ACTIVE' });
      await driver.destroy({ ...old, epoch: 4 });
    });

    it('resizes a running VEE, or says that it can’t', async () => {
      const spec = await running();
      const capacity = { ...spec.template.capacity, cpuMillis: 400, memoryMiB: resizedMemoryMiB };
      if ((await driver.fingerprint()).capabilities.liveResize) {
        await driver.resize(spec, capacity);
        await reopen();
        await driver.resize(spec, capacity);
        expect(await driver.inspect(spec.veeId)).toMatchObject({ state: 'ACTIVE', capacity });
      } else {
        await expect(driver.resize(spec, capacity)).rejects.toEqual(code('capability-missing'));
        expect((await driver.inspect(spec.veeId))?.capacity).toEqual(spec.template.capacity);
      }
      await driver.destroy(spec);
    });

    it('lists all it has, and adopts them after a restart', async () => {
      const specs = [await running(), await running()];
      await reopen();
      const report = await driver.recover();
      expect(report.adopted).toEqual(expect.arrayContaining(specs.map((s) => s.veeId)));
      const listed = new Map((await driver.list()).map((v) => [v.veeId, v.state]));
      for (const s of specs) expect(listed.get(s.veeId)).toBe('ACTIVE');
      for (const s of specs) await driver.destroy(s);
    });

    const moves = async () => (await driver.fingerprint()).capabilities.migration !== 'none';

    it('migrates to another host, each phase twice, the agents killed between each pair, or says that it can’t', async () => {
      const source = await running();
      const target = { ...source, epoch: 2 };
      if (!(await moves())) {
        await expect(other.prepareTarget(target)).rejects.toEqual(code('capability-missing'));
        await expect(driver.send(source, { address: '', token: '' })).rejects.toEqual(
          code('capability-missing'),
        );
        expect([await stateOf(source), await stateOf(target, other)]).toEqual(['ACTIVE', undefined]);
        return driver.destroy(source);
      }
      await other.prepareTarget(target);
      await reopenOther();
      const offer = await other.prepareTarget(target);
      expect(await other.prepareTarget(target)).toEqual(offer);
      await driver.send(source, offer);
      await reopen();
      expect(await stateOf(source)).toBe('OUTGOING');
      await driver.send(source, offer);
      expect([await stateOf(source), await stateOf(target, other)]).toEqual(['OUTGOING', 'INCOMING']);
      await reopenOther();
      await other.switchOver(target);
      await reopenOther();
      await other.switchOver(target);
      expect(await stateOf(target, other)).toBe('ACTIVE');
      await driver.finish(target);
      await reopen();
      await driver.finish(target);
      expect(await stateOf(source)).toBeUndefined();
      await expect(driver.define(source)).rejects.toEqual(code('epoch-fenced'));
      await other.destroy(target);
    });

    it('returns everything to the source when a migration is cancelled, and can try again', async () => {
      const source = await running();
      const first = { ...source, epoch: 2 };
      if (await moves()) await driver.send(source, await other.prepareTarget(first));
      await other.cancel(first, 'target');
      await reopenOther();
      await other.cancel(first, 'target');
      await reopen();
      await driver.cancel(source, 'source');
      await reopen();
      await driver.cancel(source, 'source');
      expect(await stateOf(source)).toBe('ACTIVE');
      expect(await stateOf(first, other)).toBeUndefined();

      if (!(await moves())) return driver.destroy(source);
      const second = { ...source, epoch: 3 };
      const offer = await other.prepareTarget(second);
      await driver.send(source, offer, { toEpoch: 3 });
      await other.switchOver(second);
      // Of the attempt before, and late: its target runs by now.
      await expect(driver.cancel(source, 'source', 2)).rejects.toEqual(code('epoch-fenced'));
      await expect(driver.send(source, offer, { toEpoch: 2 })).rejects.toEqual(code('epoch-fenced'));
      expect(await stateOf(source)).toBe('OUTGOING');
      await driver.finish(second);
      expect(await stateOf(second, other)).toBe('ACTIVE');
      await other.destroy(second);
    });
  });
}
