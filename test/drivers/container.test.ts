import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostId } from '../../domain/ids';
import { createContainerDriver } from '../../drivers/container/driver';
import { containerObstacle } from '../../drivers/container/runtime';
import type { Driver, VeeSpec } from '../../drivers/contract';
import { findOnPath } from '../../drivers/lib/program';
import { certifiedHosts } from '../support/certified';
import { specFor } from '../support/specs';
import { contractSuite } from './contract-suite';

/** One that no container has unless it is given it. */
const NODE = ['/dev/fuse', '/dev/net/tun', '/dev/loop-control'].find((path) => existsSync(path)) ?? '';

const obstacle = containerObstacle();
if (obstacle) {
  // Visible in every run, and never on CI, which installs what is missing.
  it('needs a host that can run containers', () => {
    console.warn(`real containers are not tested here: ${obstacle.missing} is missing (${obstacle.mend})`);
    expect(process.env.CI).toBeUndefined();
  });
} else {
  for (const runtime of ['runc', 'crun'] as const) {
    if (!findOnPath(runtime)) continue;
    contractSuite({
      name: `container-${runtime}`,
      create: (hostId, dataDir) => createContainerDriver({ hostId, dataDir, runtime, devices: { gpu: 2 } }),
    });
  }

  describe('real containers', () => {
    let dataDir: string;
    let driver: Driver;
    const made: VeeSpec[] = [];

    beforeAll(async () => {
      dataDir = await mkdtemp(join(tmpdir(), 'sluice-container-'));
      const devices = { radio: { each: [[NODE]], shared: ['/dev/full'] } };
      driver = await createContainerDriver({ hostId: 'h' as HostId, dataDir, devices });
    });
    afterAll(async () => {
      for (const { veeId } of made) await driver.destroy({ veeId, epoch: 99 });
      await driver.close();
      await rm(dataDir, { recursive: true, force: true });
    });
    async function started(name: string, overrides: Partial<VeeSpec['template']> = {}) {
      const spec = specFor(`vee-${name}-${process.pid}`, overrides);
      made.push(spec);
      await driver.define(spec);
      await driver.start(spec);
      return spec;
    }
    async function readInside(spec: VeeSpec, ...paths: string[]): Promise<string> {
      for (const path of paths) {
        const { exitCode, stdout } = await driver.exec(spec, ['/bin/cat', path]);
        if (exitCode === 0) return stdout.trim();
      }
      throw new Error(`none of ${paths.join(', ')} can be read inside`);
    }

    it('enforces its limits, as read from inside, and after a resize', async () => {
      const spec = await started('limits', {
        capacity: { cpuMillis: 250, memoryMiB: 24, diskMiB: 0, bandwidthKbps: 0 },
      });
      const memory = () =>
        readInside(spec, '/sys/fs/cgroup/memory/memory.limit_in_bytes', '/sys/fs/cgroup/memory.max');
      const cpu = async () =>
        (await readInside(spec, '/sys/fs/cgroup/cpu/cpu.cfs_quota_us', '/sys/fs/cgroup/cpu.max')).split(
          ' ',
        )[0];
      expect([await memory(), await cpu()]).toEqual([String(24 * 1_048_576), '25000']);
      await driver.resize(spec, { cpuMillis: 500, memoryMiB: 40, diskMiB: 0, bandwidthKbps: 0 });
      expect([await memory(), await cpu()]).toEqual([String(40 * 1_048_576), '50000']);
    });

    it('has the nodes of its devices, and of no others', async () => {
      const needing = (devices: Record<string, number>) => ({
        capacity: { cpuMillis: 200, memoryMiB: 32, diskMiB: 0, bandwidthKbps: 0, devices },
      });
      const [radio, plain] = [await started('radio', needing({ radio: 1 })), await started('plain')];
      const opened = async (spec: VeeSpec) =>
        (
          await driver.exec(spec, [
            '/bin/sh',
            '-c',
            `: < ${NODE} && : < /dev/full && echo $SLUICE_DEVICE_RADIO`,
          ])
        ).stdout.trim();
      expect([await opened(radio), await opened(plain)]).toEqual(['0', '']);
    });

    it.each([
      ['/dev/sluice-none', [['/dev/null'], ['/dev/sluice-none']]],
      // Another path of the same.
      ['the same device', [[NODE], [`/dev/./${NODE.slice(5)}`]]],
    ])('does not begin with %s among its devices', async (why, each) => {
      const config = { hostId: 'i' as HostId, dataDir: join(dataDir, 'other'), devices: { gpu: { each } } };
      await expect(createContainerDriver(config)).rejects.toMatchObject({
        ...{ code: 'driver-refused', message: expect.stringContaining(why) },
      });
    });

    it('kills what exceeds its memory', async () => {
      const spec = await started('hog', {
        capacity: { cpuMillis: 500, memoryMiB: 16, diskMiB: 0, bandwidthKbps: 0 },
        command: [
          '/bin/sh',
          '-c',
          'head -c 64m /dev/zero | tail >/dev/null; echo "the hog ended with $?"; sleep 60',
        ],
      });
      const deadline = Date.now() + 10_000;
      let lines: string[] = [];
      while (lines.length === 0 && Date.now() < deadline) {
        await new Promise((r) => setTimeout(r, 100));
        lines = (await driver.logs(spec.veeId, 5)).filter((l) => l.includes('the hog ended'));
      }
      expect(lines[0]).toMatch(/ended with (137|1)$/);
    });

    it('is ready when its command says so, and keeps its log', async () => {
      const spec = await started('ready', {
        command: [
          '/bin/sh',
          '-c',
          'echo "$GREETING from $SLUICE_COMPONENT"; sleep 0.5; touch /data/ready; sleep 60',
        ],
        environment: { GREETING: 'hello' },
        readiness: {
          kind: 'exec',
          command: ['/bin/test', '-e', '/data/ready'],
          periodMillis: 50,
          timeoutMillis: 5_000,
        },
      });
      expect((await driver.inspect(spec.veeId))?.ready).toBe(false);
      await new Promise((r) => setTimeout(r, 900));
      expect((await driver.inspect(spec.veeId))?.ready).toBe(true);
      expect(await driver.logs(spec.veeId, 10)).toEqual(['hello from app']);
    });

    it('sees a container that ended by itself', async () => {
      const spec = await started('short', { command: ['/bin/true'] });
      await new Promise((r) => setTimeout(r, 300));
      expect((await driver.inspect(spec.veeId))?.state).toBe('EXITED');
    });

    it.each(['runc', 'crun'] as const)('measures what a container of %s uses', async (runtime) => {
      if (!findOnPath(runtime)) return;
      const folder = await mkdtemp(join(tmpdir(), 'sluice-container-'));
      const of = await createContainerDriver({ hostId: 'h3' as HostId, dataDir: folder, runtime });
      const busy = specFor(`vee-busy-${runtime}-${process.pid}`, {
        command: ['/bin/sh', '-c', 'while :; do :; done'],
        capacity: { cpuMillis: 500, memoryMiB: 32, diskMiB: 0, bandwidthKbps: 0 },
      });
      const idle = specFor(`vee-idle-${runtime}-${process.pid}`);
      for (const spec of [busy, idle]) {
        await of.define(spec);
        expect((await of.measure([spec.veeId]))?.vees.get(spec.veeId)).toBeUndefined();
        await of.start(spec);
      }
      const both = [busy.veeId, idle.veeId];
      const before = await of.measure(both);
      let after = before;
      const used = ({ veeId }: VeeSpec) =>
        (after?.vees.get(veeId)?.cpuMicros ?? 0) - (before?.vees.get(veeId)?.cpuMicros ?? 0);
      // On a machine that has much else to do it is long until the kernel has given it so much.
      for (let i = 0; i < 100 && used(busy) < 60_000; i++) {
        await new Promise((r) => setTimeout(r, 100));
        after = await of.measure(both);
      }
      expect(used(busy)).toBeGreaterThan(50_000);
      expect(used(idle)).toBeLessThan(used(busy) / 5);
      expect(after?.vees.get(busy.veeId)?.memoryMiB).toBeLessThan(32);
      const machine = (after?.host?.cpuMicros ?? 0) - (before?.host?.cpuMicros ?? 0);
      expect(machine).toBeGreaterThan(used(busy) / 2);
      for (const spec of [busy, idle]) await of.destroy(spec);
      expect((await of.measure(both))?.vees.size).toBe(0);
      await of.close();
      await rm(folder, { recursive: true, force: true });
    });

    it('carries the disk along when it migrates', async () => {
      const elsewhere = await mkdtemp(join(tmpdir(), 'sluice-container-'));
      const { h, h2 } = await certifiedHosts(['h', 'h2']);
      const other = await createContainerDriver({ hostId: h2.hostId, dataDir: elsewhere, identity: h2 });
      const sender = await createContainerDriver({ hostId: h.hostId, dataDir, identity: h });
      const spec = await started('mover', {
        command: ['/bin/sh', '-c', 'test -e /data/first || echo "$RANDOM$RANDOM" > /data/first; sleep 60'],
      });
      await new Promise((r) => setTimeout(r, 200));
      const before = await readInside(spec, '/data/first');
      const target = { ...spec, epoch: 2 };
      await sender.send(spec, await other.prepareTarget(target, h.hostId), { to: h2.hostId });
      await sender.close();
      await other.switchOver(target);
      await driver.finish(target);
      await new Promise((r) => setTimeout(r, 200));
      expect((await other.exec(target, ['/bin/cat', '/data/first'])).stdout.trim()).toBe(before);
      await other.destroy(target);
      await other.close();
      await rm(elsewhere, { recursive: true, force: true });
    });

    // What crun does while the kernel is still at it: see `Containers.pause`.
    it('stands still when crun has paused it, however much runs in it', async () => {
      if (!findOnPath('crun')) return;
      const folder = await mkdtemp(join(tmpdir(), 'sluice-container-'));
      const of = await createContainerDriver({ hostId: 'h4' as HostId, dataDir: folder, runtime: 'crun' });
      const spec = specFor(`vee-crowd-${process.pid}`, {
        command: ['/bin/sh', '-c', 'for i in $(seq 1 40); do (while :; do :; done) & done; wait'],
        capacity: { cpuMillis: 300, memoryMiB: 32, diskMiB: 0, bandwidthKbps: 0 },
      });
      await of.define(spec);
      await of.start(spec);
      for (let i = 0; i < 4; i++) {
        await of.pause(spec);
        expect(await of.inspect(spec.veeId, false)).toMatchObject({ state: 'PAUSED' });
        await of.resume(spec);
        expect(await of.inspect(spec.veeId, false)).toMatchObject({ state: 'ACTIVE' });
      }
      await of.destroy(spec);
      await of.close();
      await rm(folder, { recursive: true, force: true });
    });

    it('survives the death of the process that started it', async () => {
      const spec = specFor(`vee-orphan-${process.pid}`);
      made.push(spec);
      const program = `
        const { createContainerDriver } = require('${join(process.cwd(), 'dist/drivers/container/driver')}');
        const spec = ${JSON.stringify(spec)};
        createContainerDriver({ hostId: 'h', dataDir: ${JSON.stringify(dataDir)} })
          .then(async (d) => { await d.define(spec); await d.start(spec); process.kill(process.pid, 'SIGKILL'); });`;
      expect(() => execFileSync(process.execPath, ['-e', program], { stdio: 'ignore' })).toThrow(
        /SIGKILL|failed/,
      );
      const again = await createContainerDriver({ hostId: 'h' as HostId, dataDir });
      expect((await again.recover()).adopted).toContain(spec.veeId);
      expect(await again.inspect(spec.veeId)).toMatchObject({ state: 'ACTIVE', epoch: 1 });
    });
  });
}
