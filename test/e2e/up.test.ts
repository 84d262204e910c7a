import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { containerObstacle } from '../../drivers/container/runtime';
import { startTimeOf } from '../../supervisor/process-identity';

const SLUICE = join(process.cwd(), 'bin', 'sluice');
// biome-ignore lint/suspicious/noExplicitAny: answers of the command line
type Json = any;

/** As on a user's machine: no engine in the environment, so it starts its own. */
const ENVIRONMENT = Object.fromEntries(Object.entries(process.env).filter(([k]) => !/^(TEMPORAL_|MONGODB_|SLUICE_)/.test(k)));
const PORTS = ['--api-port', '--temporal-port', '--temporal-ui-port', '--mongodb-port'];

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function sluice(dataDir: string, ...args: string[]): Promise<Result> {
  const child = spawn(process.execPath, [SLUICE, '--data-dir', dataDir, ...args], { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (c) => {
    stdout += c;
  });
  child.stderr.on('data', (c) => {
    stderr += c;
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

const json = async (dataDir: string, ...args: string[]): Promise<Json> => {
  const { code, stdout, stderr } = await sluice(dataDir, '--json', ...args);
  if (code !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
};

interface Up {
  readonly child: ChildProcess;
  readonly ready: { pid: number; apiUrl: string; processes: { name: string; pid: number }[] };
  readonly said: () => string;
}

async function up(dataDir: string): Promise<Up> {
  const child = spawn(process.execPath, [SLUICE, '--data-dir', dataDir, '--json', 'up'], { env: ENVIRONMENT, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stderr.on('data', (c) => {
    said += c;
  });
  const line = await new Promise<string>((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (c) => {
      text += c;
      if (text.includes('\n')) resolve(text);
    });
    child.once('exit', (code) => reject(new Error(`up ended with ${code}: ${said}`)));
  });
  return { child, ready: JSON.parse(line), said: () => said };
}

async function allGone(pids: readonly number[], millis: number): Promise<number[]> {
  const until = Date.now() + millis;
  for (;;) {
    const left = [];
    for (const pid of pids) if (await startTimeOf(pid)) left.push(pid);
    if (left.length === 0 || Date.now() > until) return left;
    await delay(100);
  }
}

describe('sluice up', () => {
  let dataDir: string;
  let site: Up;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'sluice-up-'));
    site = await up(dataDir);
    await json(dataDir, 'create', 'tenant', 'acme');
    await json(dataDir, 'apply', '-f', 'examples/webshop.yaml', '--tenant', 'acme');
  }, 90_000);
  afterAll(async () => {
    if (!site) return;
    await sluice(dataDir, 'delete', 'service', 'webshop');
    site.child.kill('SIGTERM');
    if (site.child.exitCode === null) await once(site.child, 'exit');
    expect(await allGone(site.ready.processes.map((p) => p.pid), 1_000)).toEqual([]);
    await rm(dataDir, { recursive: true, force: true });
  }, 60_000);

  it('runs the service on real containers where they can run', async () => {
    const hosts = (await json(dataDir, 'get', 'hosts')).items;
    expect(hosts.map((h: Json) => h.fingerprint.driver)).toEqual(Array(3).fill(containerObstacle() ? 'simulator' : 'container'));
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
    const agent = site.ready.processes.find((p) => p.name === 'host-1');
    process.kill(agent?.pid ?? 0, 'SIGKILL');
    for (let i = 0; i < 100 && !/host-1 is ready[\s\S]*host-1 is ready/.test(site.said()); i++) await delay(100);
    expect(site.said()).toContain('host-1 died (SIGKILL); starting it again in 100 ms');
    expect(site.said()).toMatch(/host-1 is ready[\s\S]*host-1 is ready/);
  });

  it('leaves no orphan when it is killed itself, and takes its state up again', async () => {
    process.kill(site.ready.pid, 'SIGKILL');
    expect(await allGone(site.ready.processes.filter((p) => p.name !== 'host-1').map((p) => p.pid), 20_000)).toEqual([]);
    site = await up(dataDir);
    expect((await json(dataDir, 'get', 'services')).items).toMatchObject([{ name: 'webshop', phase: 'operating' }]);
  }, 90_000);

  it('comes back after its whole tree was killed: the service is there, its VEEs run, what was in flight finishes', async () => {
    const before = (await json(dataDir, 'get', 'vees')).items.filter((v: Json) => v.state === 'ACTIVE');
    const { id } = await json(dataDir, 'scale', 'webshop/app', '3', '--no-wait');
    for (const pid of [site.ready.pid, ...site.ready.processes.map((p) => p.pid)]) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It was restarted under another pid before; that one notices the end of its supervisor.
      }
    }
    await allGone([site.ready.pid, ...site.ready.processes.map((p) => p.pid)], 20_000);
    await delay(500);
    site = await up(dataDir);
    const operation = await json(dataDir, 'operation', 'watch', id);
    expect(operation).toMatchObject({ kind: 'service.scale', state: 'completed' });
    expect((await json(dataDir, 'get', 'services')).items).toMatchObject([{ name: 'webshop', phase: 'operating', instances: { app: 3 } }]);
    const after = (await json(dataDir, 'get', 'vees')).items.filter((v: Json) => v.state === 'ACTIVE');
    expect(after).toHaveLength(5);
    // The very same VEEs: they ran on while nobody watched.
    for (const v of before) expect(after.find((a: Json) => a.id === v.id)).toMatchObject({ epoch: v.epoch, hostId: v.hostId });
    await delay(1_500);
    expect((await json(dataDir, 'check')).violations).toEqual([]);
  }, 120_000);
});

describe('sluice demo', () => {
  it('does the main job and says so in one JSON object, as its last line', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'sluice-demo-'));
    const { code, stdout, stderr } = await sluice(dataDir, 'demo', '--json', ...PORTS.flatMap((p, i) => [p, String(41_700 + i + (process.pid % 500) * 4)]));
    const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    expect([code, result.ok]).toEqual([0, true]);
    expect(result.operations.map((o: Json) => [o.kind, o.state])).toEqual([
      ['service.provision', 'completed'],
      ['service.scale', 'completed'],
      ['vee.migrate', 'completed'],
      ['vee.migrate', 'completed'],
      ['service.decommission', 'completed'],
    ]);
    expect(result.usage).toHaveLength(5);
    expect(result.invariants).toMatchObject({ checked: 7, violations: [] });
    expect(stderr).toMatch(/kill -9 \d+ \(site worker\)/);
    await rm(dataDir, { recursive: true, force: true });
  }, 120_000);
});
