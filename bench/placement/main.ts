import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import { table } from '../../cli/output';
import { lowerBound } from '../../domain/placement/optimize/bound';
import { costOf, type Placement, type Problem } from '../../domain/placement/optimize/problem';
import { type Found, search } from '../../domain/placement/optimize/search';
import { faultsOf } from '../../domain/placement/optimize/verify';
import { distanceOf } from '../../domain/rebalance/distance';
import { greedily } from '../../domain/rebalance/greedy';
import { Layout } from '../../domain/rebalance/layout';
import { planRebalance } from '../../domain/rebalance/plan';
import { solveByHighs } from '../../process/portfolio/highs';
import { consolidation } from './generator';
import { onlineRows } from './online';
import { packingRows } from './packing';
import { type Curve, qualityOverTime } from './plot';
import { portfolioRows } from './portfolio';
import { afterwards, siteOf } from './site';
import { snapshotRows } from './snapshot';
import { spareRows } from './spare';

const EXACT_SIZES = [
  [10, 5],
  [20, 10],
  [40, 20],
  [80, 30],
  [200, 40],
] as const;
const LARGE_SIZES = [
  [400, 80, 0.03],
  [800, 160, 0.05],
] as const;
const RIVAL_MILLIS = 10_000;

const percent = (share: number) => `${(share * 100).toFixed(1)} %`;

/** What a search found within a time, verified; and how long its processor worked for it. */
function ours(
  problem: Problem,
  seed: string,
  millis: number,
): { found: Found; cost: number; cpuMillis: number } {
  const [began, before] = [performance.now(), process.cpuUsage()];
  const bound = lowerBound(problem);
  const found = search(problem, seed, {
    steps: Number.POSITIVE_INFINITY,
    bound,
    progress: () => (performance.now() - began) / millis,
  });
  const { user, system } = process.cpuUsage(before);
  return { found, cost: verified(problem, found.placement), cpuMillis: (user + system) / 1_000 };
}

function verified(problem: Problem, placement: Placement | undefined): number {
  if (!placement) return Number.POSITIVE_INFINITY;
  const faults = faultsOf(problem, placement);
  if (faults.length > 0) throw new Error(`no placement at all: ${faults[0]}`);
  return costOf(problem, placement);
}

const shown = (cost: number) => (Number.isFinite(cost) ? String(Math.round(cost * 10) / 10) : '–');

async function exactSizes(seeds: readonly string[], curves: Curve[]): Promise<string[][]> {
  const rows: string[][] = [];
  for (const [items, hosts] of EXACT_SIZES)
    for (const seed of seeds) {
      const problem = consolidation(items, hosts, seed);
      const { found, cost, cpuMillis } = ours(problem, seed, 1_000);
      const before = process.cpuUsage();
      const rival = await solveByHighs(problem, { millis: RIVAL_MILLIS });
      const { user, system } = process.cpuUsage(before);
      const rivalCost = verified(problem, rival.placement);
      const bound = Math.max(rival.bound, lowerBound(problem));
      if (seed === seeds[0]) curves.push(curveOf(`${items} VEEs, ${hosts} hosts`, found, bound, 1_000));
      rows.push([
        `${items} × ${hosts}, seed ${seed}`,
        `${shown(cost)} in ${Math.round(cpuMillis)} ms`,
        `${shown(rivalCost)} in ${Math.round((user + system) / 1_000)} ms`,
        shown(bound),
        percent(cost / bound - 1),
        cost <= rivalCost ? 'met' : 'NOT MET',
      ]);
    }
  return rows;
}

function largeSizes(seeds: readonly string[], curves: Curve[]): string[][] {
  return LARGE_SIZES.flatMap(([items, hosts, goal]) =>
    seeds.map((seed) => {
      const problem = consolidation(items, hosts, seed);
      const { found, cost, cpuMillis } = ours(problem, seed, RIVAL_MILLIS);
      const bound = lowerBound(problem);
      if (seed === seeds[0])
        curves.push(curveOf(`${items} VEEs, ${hosts} hosts`, found, bound, RIVAL_MILLIS));
      const gap = cost / bound - 1;
      return [
        `${items} × ${hosts}, seed ${seed}`,
        `${shown(cost)} in ${Math.round(cpuMillis)} ms`,
        shown(bound),
        `${percent(gap)} of ${percent(goal)}`,
        gap <= goal ? 'met' : 'NOT MET',
      ];
    }),
  );
}

const SITES = [
  [40, 320, 1_000],
  [500, 5_000, 10_000],
] as const;
/** As many as are worth it: what one run may move is kept small for the sake of the site, not of the planner. */
const ANY = 5_000;

function timed<T>(work: () => T): { readonly made: T; readonly cpuMillis: number } {
  const before = process.cpuUsage();
  const made = work();
  const { user, system } = process.cpuUsage(before);
  return { made, cpuMillis: Math.round((user + system) / 1_000) };
}

function evened(seeds: readonly string[]): string[][] {
  return SITES.flatMap(([hosts, vees, limitMillis]) =>
    [ANY, 100].flatMap((mostMoves) =>
      seeds.map((seed) => {
        const question = { ...siteOf(hosts, vees, seed), policy: { name: 'striping' }, mostMoves };
        const layout = new Layout(question);
        const rival = timed(() => greedily(layout, question));
        const theirs = distanceOf(layout, 'even');
        const { made, cpuMillis } = timed(() => planRebalance(question));
        const next = planRebalance(afterwards(question, made)).moves.length;
        const better = made.after < theirs && made.moves.length <= rival.made.length;
        // With less than it is worth to move the next run goes on, as it should.
        const quiet = mostMoves < ANY || next === 0;
        return [
          `${vees} × ${hosts}${mostMoves < ANY ? `, ≤ ${mostMoves} moves` : ''}, seed ${seed}`,
          ...[
            percentOf(made.before),
            `${percentOf(theirs)} by ${rival.made.length} in ${rival.cpuMillis} ms`,
          ],
          ...[`${percentOf(made.after)} by ${made.moves.length} in ${cpuMillis} ms`, String(next)],
          better && quiet && cpuMillis <= limitMillis ? 'met' : 'NOT MET',
        ];
      }),
    ),
  );
}

const percentOf = (share: number) => `${(share * 100).toFixed(3)} %`;

function freed(seeds: readonly string[]): string[][] {
  return SITES.flatMap(([hosts, vees, limitMillis]) =>
    seeds.map((seed) => {
      const question = { ...siteOf(hosts, vees, seed), policy: { name: 'packing' } };
      const { made, cpuMillis } = timed(() => planRebalance(question));
      return [
        `${vees} × ${hosts}, seed ${seed}`,
        `${made.before} hosts → ${made.after} hosts`,
        String(made.moves.length),
        String(planRebalance(afterwards(question, made)).moves.length),
        `${cpuMillis} ms`,
        cpuMillis <= limitMillis ? 'met' : 'NOT MET',
      ];
    }),
  );
}

function curveOf(name: string, found: Found, bound: number, millis: number): Curve {
  return {
    name,
    points: found.trail.map((t) => ({ millis: Math.max(1, t.progress * millis), gap: t.cost / bound - 1 })),
    untilMillis: millis,
  };
}

const PORTFOLIO = [
  ...['problem', 'side by side', 'search alone', 'HiGHS alone', 'best bound', 'above it', 'no worse'],
];

async function sideBySideAlone(seeds: readonly string[], plot: string | undefined): Promise<void> {
  console.log('\nSolvers side by side, and two of them alone for as long by the clock:\n');
  const curves: Curve[] = [];
  console.log(table(PORTFOLIO, await portfolioRows(seeds, curves)));
  await drawn(plot, curves);
}

interface BenchOptions {
  readonly seeds: string;
  readonly plot?: string;
  readonly portfolioPlot?: string;
  readonly portfolio?: true;
}

async function main(options: BenchOptions): Promise<void> {
  const seeds = options.seeds.split(',');
  const curves: Curve[] = [];
  if (options.portfolio) return sideBySideAlone(seeds, options.portfolioPlot);
  console.log('Fewest hosts, ten for each, one for each move; ours for 1 s, HiGHS (WebAssembly) for 10 s:\n');
  console.log(
    table(
      ['problem', 'ours, CPU', 'HiGHS, CPU', 'best bound', 'ours above it', 'no worse'],
      await exactSizes(seeds, curves),
    ),
  );
  console.log('\nThe same for 10 s, where HiGHS makes no progress:\n');
  console.log(table(['problem', 'ours, CPU', 'bound', 'above it', 'goal'], largeSizes(seeds, curves)));
  console.log(
    '\nEvening a site out: how far loads are off, against the best move each time; and the next run:\n',
  );
  console.log(
    table(['site', 'before', 'greedy', 'ours, CPU', 'next run', 'better, ≤ 1 s, ≤ 10 s'], evened(seeds)),
  );
  console.log('\nFreeing hosts, by 100 moves at most, and the next run within the hour:\n');
  console.log(table(['site', 'before → after', 'moves', 'next run', 'CPU', '≤ 1 s, ≤ 10 s'], freed(seeds)));
  console.log(
    '\nPacking on as few hosts of one size as can be, from nothing: hosts for each that the bound has:\n',
  );
  console.log(
    table(
      ['VEEs', 'bound', 'first fit decreasing, CPU', 'dot product, CPU', 'ours, CPU', 'goal', ''],
      packingRows(seeds),
    ),
  );
  console.log(
    '\nVEEs that come and go on 10,000 hosts, every kind of rule in use, against a scan of all hosts:\n',
  );
  const online = [
    'state',
    'scan',
    'ours',
    'quicker',
    'scan is tighter',
    'bytes a VEE',
    '≥ 25 ×, ≤ 20 µs, ≤ 200',
  ];
  console.log(table(online, onlineRows(seeds)));
  console.log(
    '\nFilling 1,000 hosts such that any host, or any zone, may be lost; wall time of each decision:\n',
  );
  console.log(table(['may be lost', 'full with', 'a decision', 'the longest', '≤ 5 ms'], spareRows(seeds)));
  console.log('\nWhat a planner sees of 10,000 hosts and 100,000 VEEs, out of MongoDB:\n');
  console.log(table(['loaded', 'wall time', 'goal', ''], await snapshotRows()));
  await drawn(options.plot, curves);
  await sideBySideAlone(seeds, options.portfolioPlot);
}

async function drawn(plot: string | undefined, curves: readonly Curve[]): Promise<void> {
  if (!plot) return;
  await writeFile(plot, qualityOverTime(curves));
  console.log(`\nQuality over time: ${plot}`);
}

new Command('npm run bench:placement --')
  .description('How good placements are, and how soon, against an exact solver and against what is proven.')
  .option('--seeds <list>', 'of the generated problems', '1,2,3')
  .option('--portfolio', 'only what solvers find side by side')
  .option('--plot <file>', 'draws quality over time, as SVG', join('docs', 'placement-quality.svg'))
  .option(
    '--portfolio-plot <file>',
    'the same of solvers side by side',
    join('docs', 'placement-portfolio.svg'),
  )
  .action(main)
  .parseAsync()
  .catch((error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  });
