import fc from 'fast-check';
import { SluiceError } from '../../domain/errors';
import { lookedForHarder } from '../../domain/placement/harder';
import type { Infeasible } from '../../domain/placement/model';
import { lowerBound } from '../../domain/placement/optimize/bound';
import { bestOf, portfolioFor, solveAlone } from '../../domain/placement/optimize/portfolio';
import { costOf, type Problem } from '../../domain/placement/optimize/problem';
import { search } from '../../domain/placement/optimize/search';
import type { Answer, Quest, Solve } from '../../domain/placement/optimize/solver';
import { faultsOf } from '../../domain/placement/optimize/verify';
import type { RemedyQuestion } from '../../domain/placement/remedies';
import type { BalanceQuestion } from '../../domain/rebalance/model';
import { planRebalance } from '../../domain/rebalance/plan';
import { faults, site, sites, vee } from '../support/balance';
import { leastByTrying, problems } from '../support/problems';

const questOf = (problem: Problem): Quest => ({
  ...{ seed: 's', steps: 200, looks: 1e6, bound: lowerBound(problem) },
});
/** Whatever somebody may come up with: some are placements, some are nonsense. */
const answers = fc.array(
  fc.record(
    {
      solver: fc.constantFrom('a', 'b', 'c'),
      placement: fc
        .array(fc.integer({ min: -2, max: 4 }), { minLength: 4, maxLength: 6 })
        .map((p) => Int32Array.from(p)),
      bound: fc.oneof(fc.constant(Infinity), fc.constant(Number.NaN), fc.integer({ min: -5, max: 60 })),
    },
    { requiredKeys: ['solver'] },
  ),
  { maxLength: 5 },
);

describe('the best of several answers', () => {
  it('is a placement, and none of those that are is better', () => {
    fc.assert(
      fc.property(problems(), answers, (problem, given) => {
        const found = search(problem, 's', { steps: 50 });
        const all: Answer[] = [
          ...given,
          { solver: 'search', ...(found.placement ? { placement: found.placement } : {}) },
        ];
        const best = bestOf(problem, questOf(problem), all);
        const sound = all.flatMap((a) =>
          a.placement && faultsOf(problem, a.placement).length === 0 ? [costOf(problem, a.placement)] : [],
        );
        expect(best.cost).toBeCloseTo(Math.min(Infinity, ...sound), 5);
        if (best.placement) expect(faultsOf(problem, best.placement)).toEqual([]);
        expect(best.bound).toBeLessThanOrEqual(best.cost);
        expect(best.bound).not.toBeNaN();
        expect(best.asked).toHaveLength(all.length);
      }),
      { numRuns: 300 },
    );
  });

  it('is the first one of those that are as good, and no proof when something is below it', () => {
    const [problem] = fc
      .sample(problems(), { seed: 4, numRuns: 50 })
      .filter((p) => p.rules.length === 0 && leastByTrying(p) < Infinity);
    if (!problem) throw new Error('no problem has a placement');
    const { placement = new Int32Array(), cost } = search(problem, 's', { steps: 300 });
    const first: Answer = { solver: 'first', placement };
    const quest = { ...questOf(problem), bound: -1 };
    expect(bestOf(problem, quest, [first, { solver: 'second', placement }]).solver).toBe('first');
    expect(bestOf(problem, quest, [first, { solver: 'liar', bound: cost + 1 }]).bound).toBe(-1);
    expect(bestOf(problem, quest, [first, { solver: 'prover', bound: cost - 1e-9 }]).bound).toBeCloseTo(cost);
  });

  it('is asked of the same solvers for the same size: exact ones for small problems, searches for large ones', () => {
    const sized = (items: number, hosts: number) => {
      const { opening, entrants } = portfolioFor({ items, hosts } as Problem, {
        seed: 's',
        steps: 1,
        looks: 1,
        bound: 0,
      });
      return [...(opening ? [`first ${opening.name}`] : []), ...entrants.map((e) => e.name)];
    };
    expect(sized(10, 5)).toEqual(['first search', 'search 2', 'HiGHS']);
    expect(sized(200, 40)).toEqual(['search', 'search 2', 'search 3']);
    expect(sized(5_000, 500)).toEqual(['search', 'search 2']);
  });
});

describe('a rebalance that asks others', () => {
  const packed = { policy: { name: 'packing' } } as const;

  it('is sound whatever they answer, and says who found it', () => {
    const nonsense: Solve = (problem, quest) =>
      bestOf(problem, quest, [{ solver: 'mad', placement: new Int32Array(problem.items) }]);
    fc.assert(
      fc.property(sites, fc.boolean(), (at, mad) => {
        const question: BalanceQuestion = { ...at, ...packed };
        const plan = planRebalance(question, mad ? nonsense : solveAlone);
        expect(faults(question, plan)).toEqual([]);
        const moved = plan.moves.reduce((n, m) => n + m.veeIds.length, 0);
        const stay = (plan.avoided ?? []).reduce((n, s) => n + s.vees, 0);
        expect(moved + stay).toBeLessThanOrEqual(question.vees.length);
        if (plan.moves.length > 0) expect(plan.optimality?.solver).toBe(mad ? 'mad' : 'search');
      }),
      { numRuns: 60 },
    );
  });

  it('counts what it leaves where it is, by reason', () => {
    const vees = [vee(0, 'a'), vee(1, 'b', { fixed: 'it is PAUSED' }), vee(2, 'b')];
    expect(planRebalance(site(['a', 'b'], vees, packed)).avoided).toEqual([
      { vees: 1, because: 'it is PAUSED' },
      { vees: 1, because: 'to move it would gain less than it costs, within 20 moves' },
    ]);
  });
});

describe('what a quick plan found no room for', () => {
  const question = { request: { vees: [1, 2] } } as unknown as RemedyQuestion;
  const quick: Infeasible = { kind: 'infeasible', proven: false, unplaced: [] };
  const enabled = [{ name: 'mine', sha256: 'x' }];
  const algorithms = async () => enabled;

  it('is looked for harder, also by algorithms of others, unless that is in vain', async () => {
    const answer = { kind: 'blueprint' } as never;
    const asked = jest.fn(async () => ({ answer, search: { asked: [] } }));
    expect((await lookedForHarder(quick, question, asked, algorithms)).answer).toBe(answer);
    expect(asked).toHaveBeenLastCalledWith({ ...question, algorithms: enabled });
    const proven = { ...quick, proven: true };
    expect(await lookedForHarder(proven, question, asked, algorithms)).toEqual({ answer: proven });
    const alone = { request: { vees: [1] } } as unknown as RemedyQuestion;
    expect((await lookedForHarder(quick, alone, asked, algorithms)).answer).toBe(quick);
    expect(asked).toHaveBeenCalledTimes(1);
  });

  it('is told as it is when nobody finds any, with those that broke', async () => {
    const broken = [{ name: 'mine', sha256: 'x', because: 'it threw' }];
    const none = async () => ({ answer: { ...quick, unplaced: [] }, broken });
    const told = await lookedForHarder(quick, question, none, algorithms);
    expect(told.answer).toBe(quick);
    expect(told.broken).toBe(broken);
  });

  it('is told as it is when there is no time for that', async () => {
    const busy = () => Promise.reject(new SluiceError('unavailable', 'Too many ask for a plan at once.'));
    expect(await lookedForHarder(quick, question, busy, algorithms)).toEqual({ answer: quick });
    const failing = () => Promise.reject(new Error('x'));
    await expect(lookedForHarder(quick, question, failing, algorithms)).rejects.toThrow('x');
  });
});
