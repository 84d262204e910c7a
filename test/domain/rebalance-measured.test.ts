import fc from 'fast-check';
import { siteOf } from '../../bench/placement/site';
import { evenOut } from '../../domain/rebalance/even-out';
import { greedily } from '../../domain/rebalance/greedy';
import { Layout } from '../../domain/rebalance/layout';
import type { BalanceQuestion } from '../../domain/rebalance/model';
import { planRebalance } from '../../domain/rebalance/plan';
import { carriedOut, faults, site, sites, unevenness, vee } from '../support/balance';

const byMeasure = { policy: { name: 'striping', parameters: { measured: 1 } } };

/** As if each VEE used so much of what it needs, and hosts what their VEEs use. */
function measured(question: BalanceQuestion, shares: readonly number[]): BalanceQuestion {
  const vees = question.vees.map((v, n) => {
    const share = shares[n % shares.length] ?? 0;
    return { ...v, used: { cpuMillis: share * v.need.cpuMillis, memoryMiB: share * v.need.memoryMiB } };
  });
  return withHostsMeasured({ ...question, ...byMeasure, vees });
}

const withHostsMeasured = (question: BalanceQuestion): BalanceQuestion => ({
  ...question,
  hosts: question.hosts.map((h) => {
    const here = question.vees.filter((v) => v.hostId === h.id);
    const cpuMillis = here.reduce((n, v) => n + (v.used?.cpuMillis ?? 0), 0);
    const memoryMiB = here.reduce((n, v) => n + (v.used?.memoryMiB ?? 0), 0);
    return { ...h, measured: { cpuMillis, memoryMiB } };
  }),
});

describe('a rebalance by what is measured', () => {
  it('moves what works much, although hosts are reserved evenly', () => {
    const vees = [0, 1, 2, 3].map((n) => vee(n, n < 2 ? 'a' : 'b'));
    const busy = vees.map((v) => ({
      ...v,
      used: { cpuMillis: v.hostId === 'a' ? 1_000 : 0, memoryMiB: 100 },
    }));
    const question = withHostsMeasured(site(['a', 'b'], busy, byMeasure));
    const plan = planRebalance(question);
    expect(faults(question, plan)).toEqual([]);
    expect(plan.moves[0]).toMatchObject({ fromHostId: 'a', toHostId: 'b' });
    expect(planRebalance({ ...question, policy: { name: 'striping' } }).moves).toEqual([]);
  });

  it('moves nothing where much is reserved and little is used', () => {
    const vees = [0, 1, 2, 3, 4, 5].map((n) => vee(n, 'a', { used: { cpuMillis: 1, memoryMiB: 1 } }));
    expect(planRebalance(withHostsMeasured(site(['a', 'b'], vees, byMeasure))).moves).toEqual([]);
  });

  it.each(['2', '8'])('betters as a whole what is measured, not what is reserved (seed %s)', (seed) => {
    const usual = { ...siteOf(12, 72, seed), mostMoves: 72 };
    const question = { ...measured(usual, [0.1, 0.9, 0.4, 0.05, 0.7]), policy: byMeasure.policy };
    const [ours, theirs] = [new Layout(question), new Layout(question)];
    expect(evenOut(ours, question).length).toBeLessThanOrEqual(greedily(theirs, question).length);
    expect(ours.unevenness()).toBeLessThan(0.95 * theirs.unevenness());
  });

  it('leaves alone what nothing is measured of, on a host that is measured', () => {
    const unmeasured = [0, 1, 2, 3].map((n) => vee(n, 'a'));
    const busy = { cpuMillis: 6_000, memoryMiB: 6_000 };
    const by = (id: string) => ({ measured: id === 'a' ? busy : { cpuMillis: 0, memoryMiB: 0 } });
    const question = site(['a', 'b'], unmeasured, byMeasure, by);
    expect(planRebalance(question).moves).toEqual([]);
    expect(new Layout(question).units.map((u) => u.fixed)).toEqual(
      Array(4).fill('nothing is measured of it'),
    );
    // To free a host it matters to nobody what is used.
    const packing = { ...question, policy: { name: 'packing', parameters: { measured: 1 } } };
    expect(new Layout(packing).units.some((u) => u.fixed)).toBe(false);
  });

  it('evens out what is in use of what hosts have, not of what they give out', () => {
    const used = { cpuMillis: 500, memoryMiB: 0 };
    const vees = [0, 1, 2, 3].map((n) => vee(n, n < 2 ? 'a' : 'b', { used }));
    // A quarter of what it gives out: with two of them it is busy, and counts as such.
    const physical = { cpuMillis: 2_000, memoryMiB: 8_192 };
    const question = site(['a', 'b'], vees, byMeasure, (id) =>
      id === 'a'
        ? { physical, measured: { cpuMillis: 4_000, memoryMiB: 0 } }
        : { measured: { cpuMillis: 1_000, memoryMiB: 0 } },
    );
    const plan = planRebalance(question);
    expect(plan.moves.map((m) => [m.fromHostId, m.toHostId])).toEqual([['a', 'b']]);
    const then = new Layout(question);
    for (const unit of then.units.filter((u) => plan.moves[0]?.veeIds.includes(u.vees[0]?.id as never)))
      then.move(unit, 'b' as never);
    expect(then.loadIn('a' as never, 0)).toBeCloseTo(0.25);
    expect(then.loadIn('b' as never, 0)).toBeCloseTo(1_500 / 8_000);
  });

  it('obeys all that is reserved, betters what is measured, and then moves nothing more', () => {
    fc.assert(
      fc.property(
        sites,
        fc.array(fc.double({ min: 0, max: 1.5, noNaN: true }), { minLength: 1, maxLength: 7 }),
        (of, shares) => {
          const question = measured(of, shares);
          const plan = planRebalance(question);
          expect(faults(question, plan)).toEqual([]);
          const then = withHostsMeasured(carriedOut(question, plan));
          expect(unevenness(then)).toBeLessThanOrEqual(unevenness(question) + 1e-9);
          if (plan.moves.length > 0) expect(unevenness(then)).toBeLessThan(unevenness(question));
          if (plan.moves.length < question.mostMoves) expect(planRebalance(then).moves).toEqual([]);
        },
      ),
      { numRuns: 100 },
    );
  });
});
