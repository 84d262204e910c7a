import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Driver, SendOptions, TransferProgress, VeeSpec } from '../../drivers/contract';
import { createQemuDriver } from '../../drivers/qemu/driver';
import { guestObstacle, testGuest } from '../../drivers/qemu/guest/build';
import type { MigrationPhase, QemuDriverConfig } from '../../drivers/qemu/host';
import { qemuObstacle } from '../../drivers/qemu/probe';
import { certifiedHosts } from '../support/certified';
import { specFor } from '../support/specs';

/** Less than the guest writes, and too little for its memory in the time that a test has. */
const NARROW_KBPS = 24_000;

const missing = qemuObstacle()?.missing ?? guestObstacle();
if (missing) {
  it.skip(`real machines need ${missing}`, () => undefined);
} else {
  describe('the way of a machine that writes its memory again and again', () => {
    let folder: string;
    let here: Driver;
    let there: Driver;
    let vee: VeeSpec;
    let attempts = 0;
    let onPhase: QemuDriverConfig['reached'];

    beforeAll(async () => {
      await testGuest();
      folder = await mkdtemp(join(tmpdir(), 'sluice-way-'));
      const { a, b } = await certifiedHosts(['a', 'b']);
      [here, there] = (await Promise.all(
        [a, b].map((identity) => {
          const { hostId } = identity;
          const reached = async (phase: MigrationPhase) => onPhase?.(phase);
          const dataDir = join(folder, hostId);
          return createQemuDriver({ hostId, dataDir, accelerator: 'tcg', identity, reached });
        }),
      )) as [Driver, Driver];
      vee = specFor(`vee-way-${process.pid}`, {
        image: 'sluice-guest',
        capacity: { cpuMillis: 1_000, memoryMiB: 128, diskMiB: 16, bandwidthKbps: 0 },
        command: ['/bin/sh', '-c', 'while :; do head -c 24000000 /dev/urandom > /run/load; done'],
        readiness: {
          kind: 'exec',
          ...{ command: ['/bin/test', '-s', '/run/load'], periodMillis: 100, timeoutMillis: 1 },
        },
      });
      await here.define(vee);
      await here.start(vee);
      for (let i = 0; i < 600 && !(await here.inspect(vee.veeId))?.ready; i++) await delay(100);
    }, 180_000);
    beforeEach(() => {
      onPhase = undefined;
    });
    afterAll(async () => {
      for (const driver of [here, there]) {
        for (const { veeId } of await driver.list()) await driver.destroy({ veeId, epoch: 99 });
        await driver.close();
      }
      await rm(folder, { recursive: true, force: true });
    });

    const begin = async (how: SendOptions) => {
      const target = { ...vee, epoch: vee.epoch + ++attempts };
      const told: TransferProgress[] = [];
      const offer = await there.prepareTarget(target, 'a' as never);
      const onProgress = (progress: TransferProgress) => told.push(progress);
      const sent = here.send(vee, offer, { to: 'b' as never, onProgress, ...how });
      return { target, told, sent };
    };
    const counter = async (driver: Driver, ref = vee) => {
      const script = 'until [ -n "$n" ]; do n=$(cat /run/counter); done; echo $n';
      return Number((await driver.exec(ref, ['/bin/sh', '-c', script])).stdout);
    };

    it('is known beforehand: at which rate it writes is measured', async () => {
      const rate = async () => (await here.measure([vee.veeId]))?.dirtyKbps?.get(vee.veeId);
      let kbps = await rate();
      for (let i = 0; i < 100 && kbps === undefined; i++) {
        await delay(100);
        kbps = await rate();
      }
      expect(kbps).toBeGreaterThan(1_000);
    });

    it('can be followed, is no wider than allowed, and ends at once when it is cancelled', async () => {
      const before = await counter(here);
      const cancel = new AbortController();
      const { target, told, sent } = await begin({ bandwidthKbps: NARROW_KBPS, cancelled: cancel.signal });
      sent.catch(() => undefined);
      for (let i = 0; i < 300 && told.filter((t) => t.phase === 'memory').length < 4; i++) await delay(100);
      const memory = told.filter((t) => t.phase === 'memory');
      const [first, last] = [memory[0], memory.at(-1)];
      expect(last?.sentBytes).toBeGreaterThan(first?.sentBytes ?? 0);
      expect(last?.remainingBytes).toBeGreaterThan(0);
      expect((last?.bytesPerSecond ?? 0) * 8).toBeLessThan(NARROW_KBPS * 1_000 * 1.5);
      const at = performance.now();
      cancel.abort();
      await expect(sent).rejects.toMatchObject({
        code: 'driver-failed',
        message: 'The migration was cancelled.',
      });
      expect(performance.now() - at).toBeLessThan(2_000);
      await there.cancel(target, 'target');
      await here.cancel(vee, 'source');
      expect((await here.inspect(vee.veeId, false))?.state).toBe('ACTIVE');
      expect(await counter(here)).toBeGreaterThan(before);
    });

    it('is stilled only once its disk is there, and runs on here when it is lost there before it went on', async () => {
      const before = await counter(here);
      onPhase = async (phase) => {
        if (phase === 'mirror') await delay(1_500);
      };
      const { target, sent } = await begin({ stopAndCopy: true });
      await sent;
      const { pid } = (await there.inspect(vee.veeId, false)) ?? {};
      process.kill(pid ?? 0, 'SIGKILL');
      for (let i = 0; i < 100 && (await there.inspect(vee.veeId, false))?.pid; i++) await delay(20);
      await expect(there.switchOver(target)).rejects.toMatchObject({ code: 'driver-refused' });
      await there.cancel(target, 'target');
      await here.cancel(vee, 'source');
      // It counts ten times a second, on a machine with nothing else to do.
      expect(await counter(here)).toBeGreaterThan(before + 4);
    });

    it('is over by its deadline, since it is slowed down and then stilled', async () => {
      const before = await counter(here);
      const began = performance.now();
      const { target, told, sent } = await begin({ bandwidthKbps: 160_000, deadlineMillis: 6_000 });
      await sent;
      expect(performance.now() - began).toBeLessThan(12_000);
      expect(told.map((t) => t.escalation)).toContain('throttle');
      await there.switchOver(target);
      await here.finish(target);
      expect(await counter(there, target)).toBeGreaterThanOrEqual(before);
      vee = target;
    });

    it('is not run a second time when it ends by itself on its way', async () => {
      const { pid = 0 } = (await there.inspect(vee.veeId, false)) ?? {};
      onPhase = async (phase) => {
        if (phase === 'memory') process.kill(pid, 'SIGKILL');
      };
      const back = { ...vee, epoch: vee.epoch + 1 };
      const sent = there.send(vee, await here.prepareTarget(back, 'b' as never), { to: 'a' as never });
      await expect(sent).rejects.toMatchObject({ code: 'driver-failed' });
      await expect(there.send(vee, await here.prepareTarget(back))).rejects.toMatchObject({
        code: 'driver-refused',
      });
      await here.cancel(back, 'target');
      await there.cancel(vee, 'source');
      expect(await there.inspect(vee.veeId, false)).toMatchObject({ state: 'EXITED' });
      expect((await there.inspect(vee.veeId, false))?.pid).toBeUndefined();
    });
  });
}
