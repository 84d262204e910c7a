import { createHash } from 'node:crypto';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { consolidation } from '../../bench/placement/generator';
import { lowerBound } from '../../domain/placement/optimize/bound';
import type { Quest } from '../../domain/placement/optimize/solver';
import type { AlgorithmPlugins } from '../../process/policies/algorithms';
import type { sideBySide } from '../../process/portfolio/side-by-side';

// What begins threads has to be compiled: `npm test` does that first.
const built = {
  ...require(join(process.cwd(), 'dist', 'process', 'policies', 'algorithms.js')),
  ...require(join(process.cwd(), 'dist', 'process', 'portfolio', 'side-by-side.js')),
} as { AlgorithmPlugins: typeof AlgorithmPlugins; sideBySide: typeof sideBySide };

const algorithm = (body: string) =>
  `module.exports = { apiVersion: 1, kind: 'algorithm', does: 'its best', solve({ problem, from, bound }) { ${body} } };`;
/** Far from done after few steps, and never settled: what is asked has time to answer. */
const quest: Quest = { seed: 's', steps: 20, looks: 2e4, bound: -1 };

describe('algorithms of others', () => {
  const problem = consolidation(20, 10, '1');
  let folder: string;
  let plugins: AlgorithmPlugins;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-algorithms-'));
    plugins = new built.AlgorithmPlugins(folder, 1_000);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const put = (file: string, text: string) => writeFile(join(folder, file), text);

  const digestOf = async (name: string) =>
    createHash('sha256')
      .update(await readFile(join(folder, `${name}.js`)))
      .digest('hex');

  it('are tried on something small before they are believed', async () => {
    await copyFile(join('examples', 'algorithms', 'close-lightest.js'), join(folder, 'close-lightest.js'));
    expect(await plugins.try('close-lightest')).toMatchObject({ does: 'closes the lightest hosts first' });
    for (const [text, because] of [
      ['module.exports = {', /it can't be loaded: SyntaxError/],
      ['module.exports = { kind: "policy" }', /apiVersion: .*kind: .*does: .*solve: has to be a function/],
      [algorithm('throw new Error("no idea")'), 'no idea (line 1)'],
      [algorithm('return "best"'), 'it gave string, and has to give an array, or nothing'],
      [algorithm('return [1, 2]'), 'it gave 2 hosts, and there are 6 items'],
      [algorithm('return [0, 1, 2, 3, 4, 0.5]'), 'its host of item 4 is 4, which is none'],
      [algorithm('return [0, 0, 1, 1, 2, 2]'), 'what it found is no placement: rule 0 (at-most)'],
    ] as const) {
      await put('bad.js', text);
      await expect(plugins.try('bad')).rejects.toThrow(because);
    }
    await expect(plugins.try('nobody')).rejects.toThrow(/there is no file for it in /);
  }, 30_000);

  it('are listed by their files, and what can be none is told with the reason', async () => {
    for (const file of ['one.js', 'two.cjs', 'two.js', 'notes.txt', 'Upper.js']) await put(file, '');
    await put('large.js', `// ${'x'.repeat(1_048_576)}`);
    expect(plugins.names()).toEqual(['large', 'one', 'two']);
    expect(plugins.unusable()).toEqual([
      { file: 'Upper.js', because: 'its name may have a-z, 0-9 and - only' },
      { file: 'large.js', because: 'its file is larger than 1 MiB' },
      { file: 'notes.txt', because: 'its name ends with none of .js, .cjs, .mjs' },
      { file: 'two.cjs', because: 'two.js has the same name' },
      { file: 'two.js', because: 'two.cjs has the same name' },
    ]);
  });

  it('count where they are better than ours, and break without harm to the rest', async () => {
    const best = built.sideBySide()(problem, {
      ...{ seed: 'consolidate', steps: 5_000, looks: 1e7, bound: lowerBound(problem) },
    });
    expect(best.cost).toBe(65);
    await put('oracle.js', algorithm(`return [${[...(best.placement ?? [])]}]`));
    await put('idle.js', algorithm(''));
    await put('thrower.js', algorithm('null.x'));
    await put('looper.js', algorithm('for (;;);'));
    await put('eater.js', algorithm('for (const all = []; ; ) all.push(Buffer.alloc(1e7, 1))'));
    await put('liar.js', algorithm('return new Int32Array(problem.items)'));
    await put('changed.js', algorithm('return from'));
    const names = ['oracle', 'idle', 'thrower', 'looper', 'eater', 'liar', 'changed'];
    const set = await Promise.all(names.map(async (name) => ({ name, sha256: await digestOf(name) })));
    await put('changed.js', algorithm('return from; // not the same'));
    const outsiders = set.map((s) => plugins.outsider(s));
    const solved = built.sideBySide({ outsiders, deadlineMillis: 8_000 })(problem, quest);
    const told = new Map(solved.asked.map(({ solver, ...rest }) => [solver, rest]));
    const broken = (because: unknown) => ({ because, broken: true });
    expect(Object.fromEntries(names.map((n) => [n, told.get(`algorithm ${n}`)]))).toEqual({
      oracle: { cost: 65 },
      idle: { because: 'it found none' },
      thrower: broken(expect.stringMatching(/^TypeError: /)),
      looper: broken('it took more than 1000 ms for one answer'),
      eater: broken(expect.stringMatching(/^it took more than (\d+ MiB of memory|1000 ms for one answer)$/)),
      liar: broken(expect.stringMatching(/^what it found is no placement: host 0 has 1000 in dimension 0/)),
      changed: broken('its file is another one than when it was set'),
    });
    expect(solved.cost).toBe(65);
    expect(solved.asked[0]?.solver).toBe('search');
  }, 40_000);

  it('are told the time that there is, and are not broken by needing what others can not wait for', async () => {
    plugins = new built.AlgorithmPlugins(folder, 5_000);
    const until = (millis: string) =>
      `const end = Date.now() + ${millis}; while (Date.now() < end); return from;`;
    // Idle, so that it is by the clock only that it needs too long.
    const sleep = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1e6);';
    await put(
      'obedient.js',
      algorithm(until('arguments[0].millis').replace('Date.now() + ', 'Date.now() + 0.2 * ')),
    );
    await put('sleeper.js', algorithm(sleep));
    const outsiders = await Promise.all(
      ['obedient', 'sleeper'].map(async (name) => plugins.outsider({ name, sha256: await digestOf(name) })),
    );
    const solved = built.sideBySide({ outsiders, deadlineMillis: 3_000 })(problem, quest);
    const of = (name: string) => solved.asked.find((a) => a.solver === `algorithm ${name}`);
    expect(of('obedient')?.broken).toBeUndefined();
    expect(of('sleeper')).toMatchObject({ because: 'its time was over' });
    expect(of('sleeper')?.broken).toBeUndefined();
  }, 20_000);
});
