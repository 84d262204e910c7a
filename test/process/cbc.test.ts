import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { consolidation } from '../../bench/placement/generator';
import { lowerBound } from '../../domain/placement/optimize/bound';
import { lpFile, readCbc, startFile } from '../../domain/placement/optimize/lp-file';
import { bestOf, portfolioFor } from '../../domain/placement/optimize/portfolio';
import { costOf, NOWHERE, type Problem } from '../../domain/placement/optimize/problem';
import { encode } from '../../domain/placement/optimize/program';
import { search } from '../../domain/placement/optimize/search';
import { findCbc, solveByCbc, sweepCbcFolders } from '../../process/portfolio/cbc';
import type { sideBySide } from '../../process/portfolio/side-by-side';
import { leastByTrying, problems } from '../support/problems';

// What begins threads has to be compiled: `npm test` does that first.
const built = require(join(process.cwd(), 'dist', 'process', 'portfolio', 'side-by-side.js')) as {
  sideBySide: typeof sideBySide;
};

const small = consolidation(10, 5, '1');
const questOf = (problem: Problem) => ({ seed: 's', steps: 1_000, looks: 1e6, bound: lowerBound(problem) });
const never = new AbortController().signal;
const ourFolders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('sluice-cbc-'));

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fake-cbc-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A program that says it is CBC, and does this when it is to solve something. */
async function fake(name: string, does: string): Promise<string> {
  const file = join(folder, name);
  const lines = [
    `#!${process.execPath}`,
    "const { writeFileSync, readFileSync } = require('node:fs');",
    "console.log('Welcome to the CBC MILP Solver');",
    `if (process.argv[2] !== '-quit') { ${does} }`,
  ];
  await writeFile(file, lines.join('\n'));
  await chmod(file, 0o755);
  return file;
}

describe('the file that CBC reads', () => {
  it('has each row and each price of the program', () => {
    fc.assert(
      fc.property(problems(), (problem) => {
        const { program } = encode(problem);
        const text = lpFile(program);
        if (text === undefined) {
          expect(leastByTrying(problem)).toBe(Infinity);
          return;
        }
        const [goal = '', rest = ''] = text.split('Subject To\n');
        const terms = (of: string) =>
          [...of.matchAll(/^([+-]) (\S+) x(\d+)$/gm)].map(
            ([, sign, factor, c]) => [Number(c), Number(`${sign}${factor}`)] as const,
          );
        const priced = [...program.cost.entries()].filter(([, price]) => price !== 0);
        expect(terms(goal)).toEqual(priced);
        const rows = rest.split('Binaries')[0]?.split(/^r(\d+):$/m) ?? [];
        const read = new Map<string, number>();
        for (let n = 1; n < rows.length; n += 2) {
          for (const [c, factor] of terms(rows[n + 1] ?? '')) read.set(`${rows[n]} ${c}`, factor);
          const [, relation, limit] = /^(=|<=) (\S+)$/m.exec(rows[n + 1] ?? '') ?? [];
          expect(Number(limit)).toBe(program.high[Number(rows[n])]);
          expect(relation === '=').toBe(program.low[Number(rows[n])] === program.high[Number(rows[n])]);
        }
        const entries = Array.from({ length: program.columns }, (_, c) =>
          Array.from({ length: (program.start[c + 1] ?? 0) - (program.start[c] ?? 0) }, (_, k) => {
            const at = (program.start[c] ?? 0) + k;
            return [`${program.row[at]} ${c}`, program.value[at]] as const;
          }),
        ).flat();
        expect(read).toEqual(new Map(entries as [string, number][]));
      }),
      { numRuns: 20 },
    );
  });

  it('is read back as what was written, and as nothing where there is no such file', () => {
    const { placement = new Int32Array() } = search(small, 's', { steps: 300 });
    const { columns } = encode(small);
    const written = startFile(small, columns, placement);
    const read = readCbc(
      small,
      columns,
      written.replace('Stopped', 'Stopped on nodes'),
      'Lower bound: 31.5\n',
    );
    expect(read).toEqual({ placement, bound: 31.5, infeasible: false, timedOut: false });
    const half = 'Stopped on time - objective value 3\n 0 x0 1 0\n';
    expect(readCbc(small, columns, half, '')).toEqual({
      bound: -Infinity,
      infeasible: false,
      timedOut: true,
    });
    expect(readCbc(small, columns, 'Integer infeasible - objective value 1.5\n', '').infeasible).toBe(true);
    expect(() => readCbc(small, columns, 'Unbounded', '')).toThrow('it ended with "Unbounded"');
  });
});

describe('CBC', () => {
  it('is asked where it is there, about small problems only', async () => {
    const names = (p: Problem, cbc?: string) => portfolioFor(p, questOf(p), cbc).entrants.map((e) => e.name);
    expect(names(small)).toEqual(['search 2', 'HiGHS']);
    expect(names(small, '/usr/bin/cbc')).toEqual(['search 2', 'CBC', 'HiGHS']);
    expect(names(consolidation(40, 20, '1'), '/usr/bin/cbc')).toEqual(['search 2', 'HiGHS']);
    const path = await fake('cbc', '');
    expect(findCbc('cbc', folder)).toBe(path);
    expect(findCbc('cbc', '/nowhere')).toBeUndefined();
    // Something else of that name is none.
    expect(findCbc('true', '/bin:/usr/bin')).toBeUndefined();
  });

  it('is killed at its deadline, or when nobody needs it any more, and leaves nothing behind', async () => {
    const pid = join(folder, 'pid');
    const stuck = await fake(
      'stuck',
      `writeFileSync(${JSON.stringify(pid)}, String(process.pid)); setInterval(() => 0, 1e6);`,
    );
    const before = ourFolders();
    const late = await solveByCbc(stuck, small, { millis: -700 }, undefined, never);
    expect(late).toEqual({ bound: -Infinity, infeasible: false, timedOut: true });
    // Ended by the clock, or because another has proven what is best, whichever comes first.
    const solved = built.sideBySide({ cbc: stuck, deadlineMillis: 1_500 })(small, questOf(small));
    expect(solved.cost).toBe(34);
    expect(solved.asked[2]?.solver).toBe('CBC');
    expect(solved.asked[2]?.cost).toBeUndefined();
    const alive = () => existsSync(`/proc/${readFileSync(pid, 'utf8')}`);
    for (let n = 0; n < 100 && (alive() || ourFolders().length > before.length); n++) await sleep(50);
    expect(alive()).toBe(false);
    expect(ourFolders()).toEqual(before);
  }, 30_000);

  it('has its folder swept where a thread was ended before it could do that, and not while it works', async () => {
    const [old, fresh] = [
      await mkdtemp(join(tmpdir(), 'sluice-cbc-')),
      await mkdtemp(join(tmpdir(), 'sluice-cbc-')),
    ];
    await writeFile(join(old, 'model.lp'), '');
    const then = Date.now() / 1_000 - 130;
    await utimes(old, then, then);
    sweepCbcFolders();
    expect([existsSync(old), existsSync(fresh)]).toEqual([false, true]);
    await rm(fresh, { recursive: true });
  });

  it('is not believed', async () => {
    const liar = await fake(
      'liar',
      `const lines = readFileSync('model.lp', 'utf8').match(/^x\\\\d+$/gm).map((x, n) => n + ' ' + x + ' 1 0');
       writeFileSync('solution.txt', ['Optimal - objective value 99', ...lines].join('\\\\n'));`.replaceAll(
        '\\\\',
        '\\',
      ),
    );
    const { placement, bound } = await solveByCbc(liar, small, { millis: 5_000 }, undefined, never);
    const { placement: ours = new Int32Array() } = search(small, 's', { steps: 300 });
    const best = bestOf(small, questOf(small), [
      { solver: 'search', placement: ours },
      { solver: 'CBC', bound, ...(placement ? { placement } : {}) },
    ]);
    expect(best).toMatchObject({ cost: costOf(small, ours), bound: 32, solver: 'search' });
    expect(best.asked[1]?.because).toMatch(/^what it found is no placement/);
    const broken = await fake('broken', 'process.exit(3);');
    await expect(solveByCbc(broken, small, { millis: 5_000 }, undefined, never)).rejects.toThrow(
      'it ended with 3',
    );
  });

  const real = findCbc();
  (real ? it : it.skip)(
    'finds what trying all finds, where it is installed',
    async () => {
      for (const problem of fc.sample(problems(), { seed: 11, numRuns: 6 })) {
        const least = leastByTrying(problem);
        const from = search(problem, 's', { steps: 50 }).placement;
        const found = await solveByCbc(real ?? '', problem, { millis: 5_000 }, from, never);
        const { cost } = bestOf(problem, questOf(problem), [{ solver: 'CBC', ...found }]);
        expect(cost).toBeCloseTo(least, 6);
        expect(found.bound).toBeCloseTo(least, 6);
        expect(found.placement?.includes(NOWHERE) ?? false).toBe(false);
      }
      const solved = built.sideBySide({ cbc: real })(small, questOf(small));
      expect(solved).toMatchObject({ cost: 34, bound: 34 });
    },
    30_000,
  );
});
