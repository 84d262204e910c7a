import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostId } from '../../domain/ids';
import type { Driver, VeeSpec } from '../../drivers/contract';
import { packWarm } from '../../drivers/lib/pack-warm';
import { isolatedHosts, removeIsolatedHosts } from '../../drivers/network/isolated';
import { networkObstacle } from '../../drivers/network/probe';
import { createQemuDriver } from '../../drivers/qemu/driver';
import { qemuObstacle } from '../../drivers/qemu/probe';
import { attachedTo } from '../support/networks';
import { FileRegistry } from '../support/registry';
import { specFor } from '../support/specs';

const obstacle = networkObstacle() ?? qemuObstacle();

// Counted as skipped where machines can't run; CI installs what is missing.
(obstacle ? describe.skip : describe)('a warm image', () => {
  const registry = new FileRegistry();
  let folder: string;
  let driver: Driver;
  const open = async () => {
    const [host] = await isolatedHosts(folder, 1);
    return createQemuDriver({
      ...{ hostId: 'w' as HostId, dataDir: join(folder, 'w'), accelerator: 'tcg' },
      ...{ images: registry.cache(folder), network: { domain: folder, ...host } },
    });
  };
  const specOf = (index: number, image: string): VeeSpec => ({
    ...specFor(`vee-warm-${index}-${process.pid}`, {
      image,
      capacity: { cpuMillis: 500, memoryMiB: 96, diskMiB: 32, bandwidthKbps: 0 },
    }),
    component: 'app',
    index,
    networks: [attachedTo(3, index + 1)],
  });
  const first = specOf(0, 'sluice-guest');
  const read = async (vee: VeeSpec, ...command: string[]) => (await driver.exec(vee, command)).stdout.trim();
  const counter = async (vee: VeeSpec) => Number(await read(vee, 'cat', '/run/counter'));

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-warm-'));
    driver = await open();
  }, 60_000);
  afterAll(async () => {
    for (const { veeId } of await driver.list()) await driver.destroy({ veeId, epoch: 99 });
    await driver.close();
    await removeIsolatedHosts(folder);
    await rm(folder, { recursive: true, force: true });
  }, 60_000);

  it('is of a machine that goes on, and VEEs go on from it as themselves, on disks of their own', async () => {
    await driver.define(first);
    await driver.start(first);
    for (const until = Date.now() + 60_000; Date.now() < until; await delay(100))
      if (await counter(first).catch(() => 0)) break;
    await driver.exec(first, ['sh', '-c', 'echo kept > /data/file; sync; echo 1000 > /run/mark']);
    const parts = join(folder, 'parts');
    await mkdir(parts);
    const facts = await driver.capture?.(first, parts);
    const at = await counter(first);
    expect(facts).toMatchObject({ memoryMiB: 96, vcpus: 1, diskMiB: 32, interfaces: 1 });
    await packWarm(parts, join(folder, 'image'));
    const image = await registry.add('app', join(folder, 'image'), 'warm', facts?.on);
    expect((await driver.fingerprint()).images).toContain(`registry:warm-${facts?.on}`);

    const second = specOf(1, image);
    await driver.define(second);
    const began = performance.now();
    await driver.start(second);
    if (process.env.SLUICE_TELL) console.log(`warm start ${Math.round(performance.now() - began)} ms`);
    expect(await read(second, 'hostname')).toBe('app-1');
    expect(await read(second, 'cat', '/sys/class/net/eth0/address')).toBe(second.networks?.[0]?.mac);
    const told = JSON.parse(await read(second, 'cat', '/run/sluice/vee.json'));
    expect(told).toMatchObject({ veeId: second.veeId, index: 1 });
    expect(await read(second, 'ip', '-4', 'addr', 'show', 'eth0')).toMatch(/10\.77\.3\.2\//);
    expect(await read(second, 'ip', '-4', 'addr', 'show', 'eth0')).not.toMatch(/10\.77\.3\.1\//);
    // What only its memory has, and what only its disk has, are the first one's as it was then; from there on it is its own.
    expect(await read(second, 'cat', '/run/mark', '/data/file')).toBe('1000\nkept');
    expect(await counter(second)).toBeGreaterThan(0);
    expect(await counter(first)).toBeGreaterThanOrEqual(at);
    await driver.exec(second, ['sh', '-c', 'echo mine > /data/file; sync']);
    expect(await read(first, 'cat', '/data/file')).toBe('kept');
    // The one hears the other, so neither is known by the other's hardware address.
    expect((await driver.exec(first, ['ping', '-c', '1', '-W', '5', '10.77.3.2'])).exitCode).toBe(0);

    await driver.stop(second, 5_000);
    await driver.start(second);
    for (const until = Date.now() + 60_000; Date.now() < until; await delay(100))
      if (await counter(second).catch(() => 0)) break;
    expect(await read(second, 'cat', '/data/file')).toBe('mine');
  }, 180_000);
});
