import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { planSteps } from './plan';
import { KINDS } from './run';
import { shrink } from './shrink';

describe('the plan of a chaos run', () => {
  it('comes from its seed alone', () => {
    expect(planSteps(7, 200, KINDS)).toEqual(planSteps(7, 200, KINDS));
    expect(planSteps(8, 200, KINDS)).not.toEqual(planSteps(7, 200, KINDS));
    expect(planSteps(7, 300, KINDS).slice(0, 200)).toEqual(planSteps(7, 200, KINDS));
  });

  it('tells its kinds of step apart by name', () => {
    const names = KINDS.map((k) => k.name);
    expect(names.filter((n, i) => names.indexOf(n) !== i)).toEqual([]);
  });

  it('has every kind of step in it', () => {
    const kinds = new Set(planSteps(1, 2_000, KINDS).map((s) => s.kind));
    expect(KINDS.map((k) => k.name).filter((k) => !kinds.has(k))).toEqual([]);
  });
});

describe('shrinking', () => {
  it('finds the steps that a failure needs, and never a list that does not fail', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc
          .integer({ min: 2, max: 40 })
          .chain((n) => fc.tuple(fc.constant(n), fc.subarray([...Array(n).keys()]))),
        async ([n, culprits]) => {
          fc.pre(culprits.length > 0);
          const fails = async (items: readonly number[]) => culprits.every((c) => items.includes(c));
          const { items } = await shrink([...Array(n).keys()], fails, 10_000);
          expect(items).toEqual(culprits);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('keeps to its number of runs, and says when nothing was seen again', async () => {
    let runs = 0;
    const shrunk = await shrink([...Array(100).keys()], async () => runs++ < 0, 7);
    expect(shrunk).toMatchObject({ runs: 7, reproduced: false });
    expect(shrunk.items).toHaveLength(100);
  });
});

describe('chaos', () => {
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-chaos-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** In a process of its own, on engines of its own: it kills those too. */
  async function chaos(...flags: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
    const program = join(process.cwd(), 'dist', 'test', 'chaos', 'main.js');
    const child = spawn(process.execPath, [program, ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
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

  it('of a short run with a fixed seed leaves every invariant standing, and a trace that can be made again', async () => {
    const trace = join(folder, 'trace.jsonl');
    const flags = ['--seed', '42', '--steps', '60', '--settle-every', '30', '--shrink', '0'];
    const { code, stdout, stderr } = await chaos(...flags, '--trace', trace, '--json');
    expect([code, stderr]).toEqual([0, expect.stringContaining('60 of 60 steps')]);
    const told = JSON.parse(stdout);
    expect(told).toMatchObject({ seed: 42, done: 60, settles: 2, violations: [] });
    expect(Object.keys(told.operations).length).toBeGreaterThan(2);
    expect(Object.keys(told.faults).length).toBeGreaterThan(2);
    expect(existsSync(trace)).toBe(true);
    const steps = readFileSync(trace, 'utf8')
      .trim()
      .split('\n')
      .flatMap((line) => JSON.parse(line).step ?? []);
    expect(steps).toEqual(planSteps(42, 60, KINDS));
  }, 180_000);

  it('refuses what is no number', async () => {
    expect(await chaos('--steps', 'many')).toMatchObject({ code: 2 });
  });
});
