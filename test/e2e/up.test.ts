import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { containerObstacle } from '../../drivers/container/runtime';
import { networkObstacle } from '../../drivers/network/probe';
import { qemuObstacle } from '../../drivers/qemu/probe';
import type { Json } from '../support/json';
import { RunningSite, sluice, stillThere } from '../support/sluice-process';

const PORTS = ['--api-port', '--temporal-port', '--temporal-ui-port', '--mongodb-port'];

describe('sluice up', () => {
  let dataDir: string;
  let site: RunningSite;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'sluice-up-'));
    site = await RunningSite.start(dataDir);
    await site.json('create', 'tenant', 'acme');
    await site.json('apply', '-f', 'examples/webshop.yaml', '--tenant', 'acme');
  }, 90_000);
  afterAll(async () => {
    if (!site) return;
    await site.run('delete', 'service', 'webshop');
    expect(await site.stop()).toEqual([]);
    await rm(dataDir, { recursive: true, force: true });
  }, 60_000);

  it('runs the service on real containers where they can run', async () => {
    const hosts = (await site.json('get', 'hosts')).items;
    expect(hosts.map((h: Json) => h.fingerprint.driver)).toEqual(
      Array(3).fill(containerObstacle() ? 'simulator' : 'container'),
    );
    expect(hosts.every((h: Json) => h.fingerprint.real === !containerObstacle())).toBe(true);
  });

  it('is held by one: a second one says by whom, and exits 2', async () => {
    const { code, stderr } = await sluice(dataDir, 'up');
    expect(code).toBe(2);
    expect(stderr).toContain(`held by process ${site.ready.pid} (${site.ready.apiUrl})`);
  });

  it('refuses a fixed port that is in use, and chooses another where none was fixed', async () => {
    const other = await mkdtemp(join(tmpdir(), 'sluice-up-'));
    const port = new URL(site.ready.apiUrl).port;
    const { code, stderr } = await sluice(other, 'up', '--api-port', port);
    expect([code, stderr]).toEqual([2, expect.stringContaining(`Port ${port} for the API is in use.`)]);
    expect(await readFile(join(other, 'supervisor.json'), 'utf8').catch(() => 'released')).toBe('released');
    await rm(other, { recursive: true, force: true });
  }, 60_000);

  it('restarts a child that dies, and says so', async () => {
    process.kill(site.pidOf('host-1'), 'SIGKILL');
    for (let i = 0; i < 100 && !/host-1 is ready[\s\S]*host-1 is ready/.test(site.said); i++)
      await delay(100);
    expect(site.said).toContain('host-1 died (SIGKILL); starting it again in 100 ms');
    expect(site.said).toMatch(/host-1 is ready[\s\S]*host-1 is ready/);
  });

  it('leaves no orphan when it is killed itself, and takes its state up again', async () => {
    process.kill(site.ready.pid, 'SIGKILL');
    expect(
      await stillThere(
        site.ready.processes.filter((p) => p.name !== 'host-1').map((p) => p.pid),
        20_000,
      ),
    ).toEqual([]);
    site = await RunningSite.start(dataDir);
    expect((await site.json('get', 'services')).items).toMatchObject([
      { name: 'webshop', phase: 'operating' },
    ]);
  }, 90_000);

  it('comes back after its whole tree was killed: the service is there, its VEEs run, what was in flight finishes', async () => {
    const before = (await site.json('get', 'vees')).items.filter((v: Json) => v.state === 'ACTIVE');
    const { id } = await site.json('scale', 'webshop/app', '3', '--no-wait');
    for (const pid of [site.ready.pid, ...site.pids]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It was restarted under another pid before; that one notices the end of its supervisor.
      }
    }
    await stillThere([site.ready.pid, ...site.pids], 20_000);
    await delay(500);
    site = await RunningSite.start(dataDir);
    const operation = await site.json('operation', 'watch', id);
    expect(operation).toMatchObject({ kind: 'service.scale', state: 'completed' });
    expect((await site.json('get', 'services')).items).toMatchObject([
      { name: 'webshop', phase: 'operating', instances: { app: 3 } },
    ]);
    const after = (await site.json('get', 'vees')).items.filter((v: Json) => v.state === 'ACTIVE');
    expect(after).toHaveLength(5);
    // The very same VEEs: they ran on while nobody watched.
    for (const v of before)
      expect(after.find((a: Json) => a.id === v.id)).toMatchObject({ epoch: v.epoch, hostId: v.hostId });
    await delay(1_500);
    expect((await site.json('check')).violations).toEqual([]);
  }, 120_000);
});

describe('sluice demo', () => {
  it('does the main job and says so in one JSON object, as its last line', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'sluice-demo-'));
    const { code, stdout, stderr } = await sluice(
      dataDir,
      'demo',
      '--json',
      ...PORTS.flatMap((p, i) => [p, String(41_700 + i + (process.pid % 500) * 4)]),
    );
    const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    expect([code, result.ok]).toEqual([0, true]);
    const missing = containerObstacle() ?? qemuObstacle() ?? networkObstacle();
    const withMachines = (...kinds: string[]) => (missing ? [] : kinds);
    expect(result.operations.map((o: Json) => `${o.kind} ${o.state}`)).toEqual(
      [
        ...['service.provision', 'service.scale', 'vee.migrate', 'vee.migrate'],
        ...withMachines('service.provision', 'vee.migrate'),
        ...['service.decommission', ...withMachines('service.decommission')],
      ].map((kind) => `${kind} completed`),
    );
    if (missing) {
      expect(result.machines).toMatchObject({ missing: missing.missing });
      expect(stderr).toContain('The demo goes without virtual machines');
    } else {
      const { from, to, counterBefore, counterAfter } = result.machines;
      expect([from, to].sort()).toEqual(['qemu-1', 'qemu-2']);
      expect(counterAfter).toBeGreaterThan(counterBefore);
    }
    expect(result.usage).toHaveLength(missing ? 5 : 7);
    expect(result.invariants).toMatchObject({ checked: 9, violations: [] });
    expect(stderr).toMatch(/kill -9 \d+ \(site worker\)/);
    await rm(dataDir, { recursive: true, force: true });
  }, 240_000);
});
