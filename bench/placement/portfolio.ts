import { lowerBound } from '../../domain/placement/optimize/bound';
import { costOf, type Placement, type Problem } from '../../domain/placement/optimize/problem';
import { search } from '../../domain/placement/optimize/search';
import { faultsOf } from '../../domain/placement/optimize/verify';
import { solveByHighs } from '../../process/portfolio/highs';
import { sideBySide } from '../../process/portfolio/side-by-side';
import { consolidation } from './generator';
import type { Curve } from './plot';

const SIZES: readonly (readonly [number, number])[] = [
  [10, 5],
  [20, 10],
  [40, 20],
  [80, 30],
  [200, 40],
  [400, 80],
];

/** As a rebalance asks: see `consolidate.ts`. */
const STEPS_AN_ITEM = 250;
const MOST_LOOKS = 400_000_000;

const costed = (problem: Problem, placement: Placement | undefined): number =>
  placement && faultsOf(problem, placement).length === 0
    ? costOf(problem, placement)
    : Number.POSITIVE_INFINITY;

const shown = (cost: number): string => (Number.isFinite(cost) ? String(Math.round(cost * 10) / 10) : '–');

/** Solvers side by side against a search alone and HiGHS alone, which have the same time by the clock. */
export async function portfolioRows(
  seeds: readonly string[],
  curves: Curve[],
  sizes = SIZES,
): Promise<string[][]> {
  const rows: string[][] = [];
  for (const [items, hosts] of sizes)
    for (const seed of seeds) {
      const problem = consolidation(items, hosts, seed);
      const bound = lowerBound(problem);
      const points: { millis: number; cost: number }[] = [];
      const solve = sideBySide({
        watch: ({ trail, placement }, from, to) => {
          for (const { progress, cost } of trail ?? [{ progress: 1, cost: costed(problem, placement) }])
            points.push({ millis: Math.max(1, from + progress * (to - from)), cost });
        },
      });
      const [began, before] = [performance.now(), process.cpuUsage()];
      const quest = { seed: 'consolidate', steps: STEPS_AN_ITEM * items, looks: MOST_LOOKS, bound };
      const solved = solve(problem, quest);
      const millis = performance.now() - began;
      const { user, system } = process.cpuUsage(before);
      const started = performance.now();
      const alone = search(problem, 'consolidate', {
        ...{ steps: Number.POSITIVE_INFINITY, bound },
        progress: () => (performance.now() - started) / millis,
      });
      const highs = await solveByHighs(problem, { millis });
      const [ours, theirs] = [costed(problem, alone.placement), costed(problem, highs.placement)];
      const best = Math.max(solved.bound, highs.bound, bound);
      if (seed === seeds[0]) curves.push(curveOf(`${items} × ${hosts}, side by side`, points, best, millis));
      rows.push([
        `${items} × ${hosts}, seed ${seed}`,
        `${shown(solved.cost)} by ${solved.solver ?? 'nobody'}, ${(millis / 1_000).toFixed(1)} s (${((user + system) / 1e6).toFixed(1)} s CPU)`,
        ...[shown(ours), shown(theirs), shown(best)],
        `${((solved.cost / best - 1) * 100).toFixed(1)} %${solved.stoppedBy ? ', by the clock' : ''}`,
        solved.cost <= Math.min(ours, theirs) + 1e-6 ? 'met' : 'NOT MET',
      ]);
    }
  return rows;
}

function curveOf(
  name: string,
  found: readonly { readonly millis: number; readonly cost: number }[],
  bound: number,
  untilMillis: number,
): Curve {
  let best = Number.POSITIVE_INFINITY;
  const points: { millis: number; gap: number }[] = [];
  for (const { millis, cost } of [...found].sort((a, b) => a.millis - b.millis)) {
    if (cost >= best) continue;
    best = cost;
    points.push({ millis, gap: cost / bound - 1 });
  }
  return { name, points, untilMillis };
}
