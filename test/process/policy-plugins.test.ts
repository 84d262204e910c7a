import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostId, ServiceId, TenantId } from '../../domain/ids';
import type { Placing, PolicyData, RankedHost } from '../../domain/placement/policy';
import type { PolicyPlugins } from '../../process/policies/plugins';

// What begins threads has to be compiled: `npm test` does that first.
const PLUGINS = join(process.cwd(), 'dist', 'process', 'policies', 'plugins.js');
const built = require(PLUGINS) as {
  PolicyPlugins: typeof PolicyPlugins;
};

const DECISION_MILLIS = 400;
const need = { cpuMillis: 100, memoryMiB: 64, diskMiB: 0, bandwidthKbps: 0 };
const placing: Placing = {
  ...{ tenantId: 't' as TenantId, serviceId: 's' as ServiceId, component: 'c', image: 'i', vees: 1, need },
};
const hosts = ['a', 'b'].map(
  (id, i): RankedHost => ({
    ...{ id: id as HostId, zone: 'z', labels: { carbon: String(9 - i) }, driver: 'simulator' },
    ...{ capacity: { ...need, cpuMillis: 1_000 }, reserved: need },
    sameService: { onHost: 0, inZone: 0, inSite: 0 },
  }),
);

/** Pids of those with that argument. */
function processesWith(argument: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(argument);
    } catch {
      return false;
    }
  });
}

describe('policies of others', () => {
  let folder: string;
  let plugins: PolicyPlugins;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-policies-'));
    plugins = new built.PolicyPlugins(folder, DECISION_MILLIS);
  });
  afterEach(async () => {
    for (const name of plugins.names()) plugins.giveUp(name);
    await rm(folder, { recursive: true, force: true });
  });

  const put = (file: string, text: string) => writeFile(join(folder, file), text);

  function set(name: string, parameters?: PolicyData['parameters']): PolicyData {
    const { sha256, takes, goal } = plugins.describe(name);
    return { name, plugin: { sha256, takes, goal }, ...(parameters ? { parameters } : {}) };
  }
  const rank = (policy: PolicyData, among = hosts) => plugins.equip(policy).ranking?.scores(placing, among);

  it('rank hosts by what they say, with the parameters that were set', async () => {
    await put(
      'greenest.js',
      `module.exports = { takes: 'the greenest', parameters: { weight: 1 },
        score: ({ host, parameters }) => parameters.weight * Number(host.labels.carbon) }`,
    );
    expect(plugins.describe('greenest')).toMatchObject({
      ...{ takes: 'the greenest', goal: 'even', parameters: { weight: 1 } },
    });
    expect(rank(set('greenest'))).toEqual([9, 8]);
    expect(rank(set('greenest', { weight: 10 }))).toEqual([90, 80]);
    expect(plugins.equip(set('greenest')).ranking?.takes).toBe('the greenest');
  });

  it('may be written as ES modules, and see what the planner sees', async () => {
    await put(
      'fullest.mjs',
      `export default { takes: 'the fullest', goal: 'few-hosts',
        score: ({ host, placing }) => host.sameService.inSite - (host.reserved.cpuMillis + placing.need.cpuMillis) / host.capacity.cpuMillis };`,
    );
    expect(plugins.describe('fullest').goal).toBe('few-hosts');
    expect(rank(set('fullest'))).toEqual([-0.2, -0.2]);
  });

  it('are found in files whose names are no built-in ones', async () => {
    for (const file of ['packing.js', 'Upper.js', 'notes.txt', 'one.js', 'two.cjs']) await put(file, '');
    expect(plugins.names()).toEqual(['one', 'two']);
    expect(new built.PolicyPlugins(join(folder, 'nowhere')).names()).toEqual([]);
    expect(new built.PolicyPlugins(undefined).names()).toEqual([]);
  });

  it.each([
    ['is no JavaScript', 'module.exports = {', /it can't be loaded: SyntaxError/],
    ['throws at load', 'throw new Error("no network")', /it can't be loaded: no network/],
    ['exports nothing', '', /takes: .*score: /],
    ['has no score', 'module.exports = { takes: "x" }', /score: has to be a function/],
    [
      'names a strange goal',
      'module.exports = { takes: "x", goal: "profit", score: () => 1 }',
      /goal: .*"even"/,
    ],
    ['is larger than it may be', `// ${'x'.repeat(1_048_576)}`, /larger than 1 MiB/],
    ['ends its process', 'process.exit(0)', 'it ended its process (code 0)'],
  ])(
    'are refused when the file %s',
    async (_, text, because) => {
      await put('bad.js', text);
      expect(() => plugins.describe('bad')).toThrow(because);
    },
    20_000,
  );

  it.each([
    ['throws', 'null.x', /TypeError: /],
    ['gives NaN', 'return NaN', /its score of host a is NaN, and has to be a finite number/],
    ['gives nothing', '', /is undefined/],
    ['gives words', 'return "best"', /is string/],
    ['loops', 'for (;;);', /did not answer within 400 ms/],
    ['throws what is no error', 'throw 7', /^7$/],
  ])('break when it %s', async (_, body, because) => {
    await put('bad.js', `module.exports = { takes: 'x', score: () => { ${body} } }`);
    const policy = set('bad');
    expect(() => rank(policy)).toThrow(expect.objectContaining({ name: 'PolicyBroken' }));
    expect(() => rank({ ...policy })).toThrow();
    plugins.giveUp('bad');
    // What is set once more begins anew.
    expect(() => rank(policy)).toThrow(because);
  });

  it.each([
    ['objects', 'const all = []; for (;;) all.push({ n: all.length, s: "x".repeat(100) + all.length })'],
    ['one long array', 'const all = []; for (;;) all.push(all.length)'],
    ['buffers', 'const all = []; for (;;) all.push(Buffer.alloc(1e7, 1))'],
    ['strings', 'let s = "x"; const all = []; for (;;) all.push((s + all.length).repeat(1000))'],
  ])('are ended when they take memory without end, as %s', async (_, body) => {
    plugins = new built.PolicyPlugins(folder, 10_000);
    await put('greedy.js', `module.exports = { takes: 'x', score: () => { ${body} } }`);
    const policy = set('greedy');
    expect(() => rank(policy)).toThrow(/took more than \d+ MiB of memory/);
  });

  it('may take so long for one decision and no longer, however many questions that is', async () => {
    await put(
      'slow.js',
      `module.exports = { takes: 'x', score: () => { const end = Date.now() + 60; while (Date.now() < end); return 1 } }`,
    );
    const policy = set('slow');
    const ranking = plugins.equip(policy).ranking;
    const ask = () => ranking?.scores(placing, hosts);
    expect(() => {
      for (let n = 0; n < 10; n++) ask();
    }).toThrow(/400 ms|within/);
    // The next decision has its own time.
    expect(rank(policy)).toEqual([1, 1]);
  });

  it('are not what was set once their file has changed, or is gone', async () => {
    await put('mine.js', `module.exports = { takes: 'x', score: () => 1 }`);
    const policy = set('mine');
    await put('mine.js', `module.exports = { takes: 'x', score: () => 2 }`);
    expect(() => rank(policy)).toThrow('its file is another one than when it was set');
    expect(rank(set('mine'))).toEqual([2, 2]);
    await rm(join(folder, 'mine.js'));
    expect(() => rank(policy)).toThrow(/there is no file for it in /);
  });

  it('leave no process behind, whatever they are busy with, when the one that asked is killed', async () => {
    await put('busy.js', `module.exports = { takes: 'x', score: () => { for (;;); } }`);
    const asking = `const { PolicyPlugins } = require(${JSON.stringify(PLUGINS)});
      const plugins = new PolicyPlugins(${JSON.stringify(folder)}, 60_000);
      const { sha256, takes, goal } = plugins.describe('busy');
      process.stdout.write('ready');
      plugins.equip({ name: 'busy', plugin: { sha256, takes, goal } }).ranking.scores(${JSON.stringify(placing)}, ${JSON.stringify(hosts)});`;
    const asker = spawn(process.execPath, ['-e', asking], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(asker.stdout, 'data');
    const busy = () => processesWith(join(folder, 'busy.js'));
    // Until it has surely been asked.
    await delay(1_000);
    expect(busy()).toHaveLength(1);
    asker.kill('SIGKILL');
    for (let n = 0; n < 100 && busy().length > 0; n++) await delay(50);
    expect(busy()).toEqual([]);
  }, 20_000);

  it('see nothing of our environment', async () => {
    process.env.SLUICE_TEST_SECRET = 'hush';
    await put('nosy.js', `module.exports = { takes: 'x', score: () => Object.keys(process.env).length }`);
    expect(rank(set('nosy'))).toEqual([0, 0]);
    delete process.env.SLUICE_TEST_SECRET;
  });
});
