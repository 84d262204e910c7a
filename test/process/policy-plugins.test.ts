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

  async function set(name: string, parameters?: PolicyData['parameters']): Promise<PolicyData> {
    const { sha256, takes, goal } = await plugins.describe(name);
    return { name, plugin: { sha256, takes, goal }, ...(parameters ? { parameters } : {}) };
  }
  const rank = async (policy: PolicyData | Promise<PolicyData>, among = hosts) =>
    (await plugins.equip(await policy)).ranking?.scores(placing, among);

  it('rank hosts by what they say, with the parameters that were set', async () => {
    await put(
      'greenest.js',
      `module.exports = { takes: 'the greenest', parameters: { weight: 1 },
        score: ({ host, parameters }) => parameters.weight * Number(host.labels.carbon) }`,
    );
    expect(await plugins.describe('greenest')).toMatchObject({
      ...{ takes: 'the greenest', goal: 'none', parameters: { weight: 1 } },
    });
    expect(await rank(set('greenest'))).toEqual([9, 8]);
    expect(await rank(set('greenest', { weight: 10 }))).toEqual([90, 80]);
    expect((await plugins.equip(await set('greenest'))).ranking?.takes).toBe('the greenest');
  });

  it('may be written as ES modules, and see what the planner sees', async () => {
    await put(
      'fullest.mjs',
      `export default { takes: 'the fullest', goal: 'few-hosts',
        score: ({ host, placing }) => host.sameService.inSite - (host.reserved.cpuMillis + placing.need.cpuMillis) / host.capacity.cpuMillis };`,
    );
    expect((await plugins.describe('fullest')).goal).toBe('few-hosts');
    expect(await rank(set('fullest'))).toEqual([-0.2, -0.2]);
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
      await expect(plugins.describe('bad')).rejects.toThrow(because);
    },
    20_000,
  );

  it.each([
    ['throws', 'null.x', /TypeError: /],
    ['gives NaN', 'return NaN', /its score of host a is NaN, and has to be a number from -1e9 to 1e9/],
    ['gives nothing', '', /is undefined/],
    ['gives words', 'return "best"', /is string/],
    ['loops', 'for (;;);', /it took more than 400 ms for one decision/],
    ['throws what is no error', 'throw 7', /^7$/],
  ])('break when it %s', async (_, body, because) => {
    await put('bad.js', `module.exports = { takes: 'x', score: () => { ${body} } }`);
    const policy = await set('bad');
    await expect(rank(policy)).rejects.toMatchObject({ name: 'PolicyBroken' });
    await expect(rank({ ...policy })).rejects.toThrow();
    plugins.giveUp('bad');
    // What is set once more begins anew.
    await expect(rank(policy)).rejects.toThrow(because);
  });

  it.each([
    ['objects', 'const all = []; for (;;) all.push({ n: all.length, s: "x".repeat(100) + all.length })'],
    ['one long array', 'const all = []; for (;;) all.push(all.length)'],
    ['buffers', 'const all = []; for (;;) all.push(Buffer.alloc(1e7, 1))'],
    ['strings', 'let s = "x"; const all = []; for (;;) all.push((s + all.length).repeat(1000))'],
  ])('are ended when they take memory without end, as %s', async (_, body) => {
    plugins = new built.PolicyPlugins(folder, 10_000);
    await put('greedy.js', `module.exports = { takes: 'x', score: () => { ${body} } }`);
    const policy = await set('greedy');
    await expect(rank(policy)).rejects.toThrow(/took more than \d+ MiB of memory/);
  });

  it('may take so long for one decision and no longer, however many questions that is', async () => {
    await put(
      'slow.js',
      `module.exports = { takes: 'x', score: () => { const end = Date.now() + 60; while (Date.now() < end); return 1 } }`,
    );
    const policy = await set('slow');
    const { ranking } = await plugins.equip(policy);
    const ask = () => ranking?.scores(placing, hosts);
    expect(() => {
      for (let n = 0; n < 10; n++) ask();
    }).toThrow(/it took more than 40\d ms for one decision/);
    plugins.giveUp('slow');
    // The next decision has its own time.
    expect(await rank(policy)).toEqual([1, 1]);
  });

  it('may not wait for ever either, in one question or in many', async () => {
    const sleep = (millis: number) =>
      `module.exports = { takes: 'x', score: () => { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${millis}); return 1 } }`;
    for (const millis of [60_000, 100]) {
      await put('lazy.js', sleep(millis));
      const { ranking } = await plugins.equip(await set('lazy'));
      const began = Date.now();
      expect(() => {
        for (let n = 0; n < 100; n++) ranking?.scores(placing, hosts);
      }).toThrow('it took more than 400 ms for one decision');
      expect(Date.now() - began).toBeLessThan(5_000);
      plugins.giveUp('lazy');
    }
  }, 20_000);

  it('may take as much longer as there are more hosts', async () => {
    const text = `module.exports = { takes: 'x', score: ({ host }) => { let x = 0; for (let i = 0; i < 5_000; i++) x += i % 7; return x + host.reserved.cpuMillis } }`;
    await put('thorough.js', text);
    const many = Array.from({ length: 2_000 }, (_, i) => ({ ...hosts[0], id: `h${i}` }) as RankedHost);
    const { ranking } = await plugins.equip(await set('thorough'));
    for (let n = 0; n < 60; n++) expect(ranking?.scores(placing, many)).toHaveLength(2_000);
    // Only some of them, in another order, with other numbers.
    const changed = { ...(many[7] as RankedHost), reserved: { ...need, cpuMillis: 999 } };
    const [first, second] = ranking?.scores(placing, [changed, many[3] as RankedHost]) ?? [];
    expect((first ?? 0) - (second ?? 0)).toBe(999 - need.cpuMillis);
  }, 30_000);

  it('are ended when they keep a little of each question, or take more while nobody asks', async () => {
    await put(
      'hoarder.js',
      `const all = []; module.exports = { takes: 'x', score: () => { all.push(Buffer.alloc(8e6, 1)); return 1 } }`,
    );
    const hoard = await set('hoarder');
    await expect(
      (async () => {
        for (let n = 0; n < 100; n++) await rank(hoard);
      })(),
    ).rejects.toThrow('took more than 256 MiB of memory');
    await put(
      'sleeper.js',
      `const all = []; module.exports = { takes: 'x', score: () => { setInterval(() => all.push(Buffer.alloc(5e7, 1)), 20); return 1 } }`,
    );
    const sleeper = await set('sleeper');
    expect(await rank(sleeper)).toEqual([1, 1]);
    await delay(1_500);
    await expect(rank(sleeper)).rejects.toThrow('took more than 256 MiB of memory');
  }, 20_000);

  it('are begun anew when their process was taken away, and go on when somebody only asks it to end', async () => {
    await put('mine.js', `module.exports = { takes: 'x', score: () => 1 }`);
    const policy = await set('mine');
    const [pid] = processesWith(join(folder, 'mine.js'));
    process.kill(Number(pid), 'SIGTERM');
    await delay(100);
    expect(await rank(policy)).toEqual([1, 1]);
    expect(processesWith(join(folder, 'mine.js'))).toEqual([pid]);
    const { ranking } = await plugins.equip(policy);
    process.kill(Number(pid), 'SIGKILL');
    await delay(300);
    // Not broken: whoever asks again gets an answer.
    expect(() => ranking?.scores(placing, hosts)).toThrow(expect.objectContaining({ code: 'unavailable' }));
    expect(await rank(policy)).toEqual([1, 1]);
  });

  it.each([
    ['SIGKILL', /^its process was ended by SIGKILL, 3 times in a row while it was asked$/, 3],
    ['SIGSEGV', /^it crashed \(SIGSEGV\)$/, 1],
  ])('are broken when they end themselves by %s, however that looks', async (signal, because, times) => {
    await put(
      'grim.js',
      `module.exports = { takes: 'x', score: () => { process.kill(process.pid, '${signal}'); for (;;); } }`,
    );
    const policy = await set('grim');
    for (let n = 1; n < times; n++) await expect(rank(policy)).rejects.toMatchObject({ code: 'unavailable' });
    const failed = await rank(policy).catch((error: Error) => error);
    expect(failed).toMatchObject({ name: 'PolicyBroken', message: expect.stringMatching(because) });
  });

  it('keep nobody waiting who asks for one while it is ended', async () => {
    await put(
      'slow.js',
      `const end = Date.now() + 1_500; while (Date.now() < end); module.exports = { takes: 'x', score: () => 1 }`,
    );
    const first = plugins.describe('slow');
    await delay(300);
    plugins.keepOnly('another');
    // Begun anew by who still waits for it.
    expect(await first).toMatchObject({ takes: 'x' });
  });

  it('say in one line what is wrong, and where', async () => {
    await put(
      'wordy.js',
      `module.exports = { takes: 'x', score: () => {\n throw new Error('\\u001b[31m' + 'x'.repeat(1e6) + '\\nmore') } }`,
    );
    const failed = await rank(set('wordy')).catch((error: Error) => error.message);
    expect(failed).toMatch(/^ \[31mx{290,300} \(line 2\)$/);
    await put('twice.js', '');
    await put('twice.mjs', '');
    await expect(plugins.describe('twice')).rejects.toThrow('there are two files for it');
  });

  it('are ended when they are not asked any more', async () => {
    await put('one.js', `module.exports = { takes: 'x', score: () => 1 }`);
    await put('two.js', `module.exports = { takes: 'x', score: () => 1 }`);
    await set('one');
    await set('two');
    plugins.keepOnly('two');
    for (let n = 0; n < 40 && processesWith(join(folder, 'one.js')).length > 0; n++) await delay(50);
    expect(processesWith(join(folder, 'one.js'))).toEqual([]);
    expect(processesWith(join(folder, 'two.js'))).toHaveLength(1);
  });

  it('are not what was set once their file has changed, or is gone', async () => {
    await put('mine.js', `module.exports = { takes: 'x', score: () => 1 }`);
    const policy = await set('mine');
    await put('mine.js', `module.exports = { takes: 'x', score: () => 2 }`);
    await expect(rank(policy)).rejects.toThrow('its file is another one than when it was set');
    expect(await rank(set('mine'))).toEqual([2, 2]);
    await rm(join(folder, 'mine.js'));
    await expect(rank(policy)).rejects.toThrow(/there is no file for it in /);
  });

  it('leave no process behind, whatever they are busy with, when the one that asked is killed', async () => {
    await put('busy.js', `module.exports = { takes: 'x', score: () => { for (;;); } }`);
    const asking = `(async () => { const { PolicyPlugins } = require(${JSON.stringify(PLUGINS)});
      const plugins = new PolicyPlugins(${JSON.stringify(folder)}, 60_000);
      const { sha256, takes, goal } = await plugins.describe('busy');
      process.stdout.write('ready');
      (await plugins.equip({ name: 'busy', plugin: { sha256, takes, goal } })).ranking.scores(${JSON.stringify(placing)}, ${JSON.stringify(hosts)}); })();`;
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
    expect(await rank(set('nosy'))).toEqual([0, 0]);
    delete process.env.SLUICE_TEST_SECRET;
  });
});
