import { join } from 'node:path';
import fc from 'fast-check';
import { consolidation } from '../../bench/placement/generator';
import { lowerBound } from '../../domain/placement/optimize/bound';
import { costOf, type Problem } from '../../domain/placement/optimize/problem';
import type { Answer, Quest, Solved } from '../../domain/placement/optimize/solver';
import { faultsOf } from '../../domain/placement/optimize/verify';
import { plan } from '../../domain/placement/plan';
import { fits, sum } from '../../domain/units';
import type { Outsider, sideBySide } from '../../process/portfolio/side-by-side';
import { context, packing } from '../support/placement';
import { planted } from '../support/planted';
import { leastByTrying, problems } from '../support/problems';

// What begins threads has to be compiled: `npm test` does that first.
const built = require(join(process.cwd(), 'dist', 'process', 'portfolio', 'side-by-side.js')) as {
  sideBySide: typeof sideBySide;
};

const questOf = (problem: Problem): Quest => ({
  ...{ seed: 'consolidate', steps: 250 * problem.items, looks: 1e7, bound: lowerBound(problem) },
});
const decided = ({ placement, cost, bound, solver }: Solved) => ({ placement, cost, bound, solver });
/** One that gives this answer at once, or never. */
const outsider = (answer?: (problem: Problem) => Answer): Outsider => ({
  name: 'outsider',
  begin: (problem) => ({ take: () => answer?.(problem), end: () => undefined }),
});

describe('solvers side by side', () => {
  it('find what trying all finds, and prove it', () => {
    // Those that no bound settles at once, so that threads are asked.
    const hard = fc
      .sample(problems(), { seed: 7, numRuns: 200 })
      .map((problem) => ({ problem, least: leastByTrying(problem) }))
      .filter(({ problem, least }) => least > lowerBound(problem) + 1e-6);
    expect(hard.some(({ least }) => least === Infinity)).toBe(true);
    for (const { problem, least } of hard.slice(0, 3)) {
      const solved = built.sideBySide()(problem, questOf(problem));
      expect(solved.cost).toBeCloseTo(least, 6);
      expect(solved.bound).toBeCloseTo(least, 6);
      expect(solved.stoppedBy).toBeUndefined();
    }
  }, 30_000);

  it('are never worse than one of them, and give the same answer each time', () => {
    const problem = consolidation(20, 10, '1');
    const first = built.sideBySide()(problem, questOf(problem));
    expect(first.placement && faultsOf(problem, first.placement)).toEqual([]);
    expect(first.placement && costOf(problem, first.placement)).toBe(65);
    expect(Math.min(...first.asked.map((a) => a.cost ?? Infinity))).toBe(65);
    expect(first.asked[0]).toEqual({ solver: 'search', cost: 66 });
    expect(decided(built.sideBySide()(problem, questOf(problem)))).toEqual(decided(first));
  }, 30_000);

  it('believe nothing that an outsider says before it is verified, and wait for it no longer than for their deadline', () => {
    const problem = consolidation(20, 10, '1');
    const liar = outsider((p) => ({ solver: 'outsider', placement: new Int32Array(p.items) }));
    const { cost, asked } = built.sideBySide({ outsiders: [liar] })(problem, questOf(problem));
    expect(cost).toBe(65);
    expect(asked.at(-1)?.because).toMatch(/^what it found is no placement: host 0 has 1000 in dimension 0/);
    const began = Date.now();
    // Long enough for nobody: what the first search has found at once is the answer.
    const late = built.sideBySide({ outsiders: [outsider()], deadlineMillis: 1 })(problem, {
      ...questOf(problem),
      bound: -1,
    });
    expect(Date.now() - began).toBeLessThan(5_000);
    expect(late).toMatchObject({ stoppedBy: 'deadline' });
    expect(late.cost).toBeLessThanOrEqual(66);
    expect(late.asked.at(-1)).toEqual({ solver: 'outsider', because: 'its time was over' });
  }, 30_000);

  it('take what an outsider finds only where it is better', () => {
    const problem = consolidation(20, 10, '1');
    const best = built.sideBySide()(problem, questOf(problem)).placement ?? new Int32Array();
    const same = outsider(() => ({ solver: 'outsider', placement: best }));
    expect(built.sideBySide({ outsiders: [same] })(problem, questOf(problem)).solver).toBe('search 2');
    // With nobody else in time it is.
    expect(
      built.sideBySide({ outsiders: [same], deadlineMillis: 1 })(problem, { ...questOf(problem), bound: -1 })
        .cost,
    ).toBe(65);
  }, 30_000);

  it('find room where a quick plan finds none, and say so', () => {
    const { snapshot, request } = planted('6', 12, 0.985);
    expect(plan(snapshot, request, packing, context)).toMatchObject({ kind: 'infeasible', proven: false });
    const found = plan(snapshot, request, packing, context, built.sideBySide());
    if (found.kind === 'infeasible') throw new Error('no room was found');
    expect(found).toMatchObject({ algorithm: 'portfolio' });
    expect(found.assignments[0]?.because).toMatch(/^chosen by the best of several solvers, (search 2|HiGHS)/);
    for (const { id, capacity } of snapshot.hosts) {
      const there = new Set(found.assignments.filter((a) => a.hostId === id).map((a) => a.veeId));
      const need = sum(request.vees.filter((v) => there.has(v.id)).map((v) => v.need));
      expect(fits(capacity, need)).toBe(true);
    }
  }, 30_000);
});
