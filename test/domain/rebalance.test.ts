import fc from 'fast-check';
import { afterwards, siteOf } from '../../bench/placement/site';
import type { ServiceId } from '../../domain/ids';
import { Board, unitsOf } from '../../domain/placement/feasibility';
import type { Constraint, SnapshotHost } from '../../domain/placement/model';
import { imbalanceOf } from '../../domain/rebalance/distance';
import { evenOut } from '../../domain/rebalance/even-out';
import { greedily, priceOf } from '../../domain/rebalance/greedy';
import { Layout } from '../../domain/rebalance/layout';
import type { BalancedVee, BalanceQuestion } from '../../domain/rebalance/model';
import { confirmMoves, planRebalance } from '../../domain/rebalance/plan';
import type { Step } from '../../domain/rebalance/step';

import { CAPACITY, carriedOut, faults, site, sites, unevenness, vee } from '../support/balance';

describe('a rebalance', () => {
  it('evens out what one host has and the other has not', () => {
    const vees = [0, 1, 2, 3, 4, 5].map((n) => vee(n, 'a'));
    const question = site(['a', 'b', 'c'], vees);
    const plan = planRebalance(question);
    expect(faults(question, plan)).toEqual([]);
    expect(plan.after).toBeCloseTo(0, 10);
    expect(plan.moves).toHaveLength(4);
    expect(plan.moves[0]).toMatchObject({ label: 'shop/app/0', fromHostId: 'a' });
    expect(plan.moves[0]?.because).toMatch(/^a has 75 % of its .* in use, [bc] 0 %$/);
  });

  it('moves nothing for a gain that is too small, and says so', () => {
    const plan = planRebalance(site(['a', 'b'], [vee(0, 'a'), vee(1, 'a'), vee(2, 'b')]));
    expect(plan.moves).toEqual([]);
    expect(plan.because).toMatch(/^Loads differ by .* no move that is allowed now would better that/);
  });

  it('keeps apart what must be apart, and together what must be together', () => {
    const constraints: Constraint[] = [
      { kind: 'apart-within', level: 'host', serviceId: 's' as ServiceId, component: 'db', most: 1 },
      { kind: 'together', level: 'host', serviceId: 's' as ServiceId, components: ['web', 'cache'] },
    ];
    const vees = [
      vee(0, 'a', { component: 'db' }),
      vee(1, 'b', { component: 'db' }),
      vee(2, 'a', { component: 'web' }),
      vee(3, 'a', { component: 'cache' }),
      vee(4, 'a'),
      vee(5, 'a'),
      vee(6, 'a'),
    ];
    const question = site(['a', 'b'], vees, { constraints });
    const plan = planRebalance(question);
    expect(faults(question, plan)).toEqual([]);
    expect(plan.moves.flatMap((m) => m.veeIds)).not.toContain('vee-0');
    expect(plan.moves.length).toBeGreaterThan(0);
  });

  it('leaves alone what may not move, hosts that are not open, and hosts of another driver', () => {
    const vees = [0, 1, 2, 3].map((n) => vee(n, 'a'));
    const still = vees.map((v) => ({ ...v, fixed: 'it has moved within the hour' }));
    expect(planRebalance(site(['a', 'b'], still))).toMatchObject({
      moves: [],
      because: 'No VEE may be moved now. Of the VEEs 4 stay: it has moved within the hour.',
    });
    const closed = site(['a', 'b'], vees, {}, (id) => (id === 'b' ? { cordoned: true } : {}));
    expect(planRebalance(closed)).toMatchObject({ moves: [], because: expect.stringMatching(/two hosts/) });
    const other = site(['a', 'b'], vees, {}, (id) => (id === 'b' ? { driver: 'container' } : {}));
    expect(planRebalance(other).moves).toEqual([]);
  });

  it('moves nothing against what it prefers and has, and everything else as usual', () => {
    const ssd: Constraint = {
      ...{ kind: 'assignment', serviceId: 's' as ServiceId, component: 'app', labels: { disk: 'ssd' } },
      denyHosts: [],
    };
    const vees = [1, 2, 3, 4, 5, 6].map((n) => vee(n, 'a'));
    const hosts = (where: Record<string, string>) =>
      planRebalance(
        site(['a', 'b', 'c'], vees, { preferences: [{ constraint: ssd, weight: 1 }] }, (id) => ({
          labels: where[id] ? { disk: where[id] } : {},
        })),
      ).moves.map((m) => m.toHostId);
    expect(new Set(hosts({ a: 'ssd', b: 'ssd' }))).toEqual(new Set(['b']));
    expect(hosts({ a: 'ssd' })).toEqual([]);
    // What it prefers is nowhere, or not where it is: it is free to go.
    expect(new Set(hosts({}))).toEqual(new Set(['b', 'c']));
    expect(new Set(hosts({ b: 'hdd', c: 'ssd' }))).toEqual(new Set(['b', 'c']));
  });

  it('does not part what prefers to be together and is, and lets go what is not', () => {
    const preferences = [
      {
        constraint: {
          ...{ kind: 'together' as const, serviceId: 's' as ServiceId, level: 'host' as const },
          components: ['app', 'db'],
        },
        weight: 1,
      },
    ];
    const pair = [vee(1, 'a'), vee(2, 'a', { component: 'db' })];
    const others = [3, 4, 5, 6].map((n) => vee(n, 'a', { component: 'web' }));
    const moved = (vees: readonly BalancedVee[]) =>
      planRebalance(site(['a', 'b'], vees, { preferences })).moves.flatMap((m) => m.label);
    const labels = moved([...pair, ...others]);
    expect(labels.length).toBeGreaterThan(0);
    expect(labels.filter((l) => !l.includes('web'))).toEqual([]);
    const apart = [vee(1, 'a'), vee(2, 'a'), vee(3, 'a'), vee(4, 'a'), vee(5, 'b', { component: 'db' })];
    expect(moved(apart).length).toBeGreaterThan(0);
  });

  it('keeps what is spread over zones in its zone', () => {
    const spread: Constraint = {
      ...{ kind: 'spread', level: 'zone', serviceId: 's' as ServiceId, component: 'app', maxSkew: 1 },
    };
    const vees = [1, 2, 3, 4, 5, 6].map((n) => vee(n, 'a'));
    const zoneOf = (id: string) => ({ zone: id === 'c' ? 'far' : 'near' });
    const free = planRebalance(site(['a', 'b', 'c'], vees, {}, zoneOf));
    expect(free.moves.map((m) => m.toHostId)).toContain('c');
    const kept = planRebalance(site(['a', 'b', 'c'], vees, { constraints: [spread] }, zoneOf));
    expect(new Set(kept.moves.map((m) => m.toHostId))).toEqual(new Set(['b']));
  });

  it('moves no more than it may', () => {
    const vees = [0, 1, 2, 3, 4, 5].map((n) => vee(n, 'a'));
    expect(planRebalance(site(['a', 'b'], vees, { mostMoves: 2 })).moves).toHaveLength(2);
  });

  it('would rather move what runs on than what has to stand still for long', () => {
    const heavy = { cpuMillis: 1_000, memoryMiB: 1_024, diskMiB: 90_000, bandwidthKbps: 0 };
    const cold = (id: string): Partial<SnapshotHost> => ({
      capacity: { ...CAPACITY, diskMiB: 10_000_000 },
      ...(id === 'a' ? { capabilities: { migration: 'cold' } as SnapshotHost['capabilities'] } : {}),
    });
    const vees = [0, 1, 2, 3].map((n) => vee(n, 'a', n < 2 ? { need: heavy } : {}));
    const plan = planRebalance(site(['a', 'b'], vees, {}, cold));
    expect(plan.moves.flatMap((m) => m.veeIds)).toEqual(['vee-2', 'vee-3']);
    expect(plan.interrupted).toBe(2);
  });

  it('never breaks a rule on the way, nor moves what may not move, and betters what it touches', () => {
    fc.assert(
      fc.property(sites, (question) => {
        const plan = planRebalance(question);
        expect(faults(question, plan)).toEqual([]);
        const moved = plan.moves.flatMap((m) => m.veeIds);
        expect(moved.length).toBeLessThanOrEqual(question.mostMoves);
        expect(new Set(moved).size).toBe(moved.length);
        expect(question.vees.filter((v) => v.fixed && moved.includes(v.id))).toEqual([]);
        const gain = unevenness(question) - unevenness(carriedOut(question, plan));
        if (moved.length > 0) expect(gain).toBeGreaterThan(0.0199);
        // As it is carried out: each wave is confirmed on what those before it have left.
        let site = question;
        for (const wave of plan.waves) {
          const moves = wave.flatMap((i) => plan.moves[i] ?? []);
          expect(confirmMoves(site, moves)).toEqual(moves.map(() => ({ go: true })));
          site = carriedOut(site, { moves });
        }
        if (moved.length > 0) expect(imbalanceOf(new Layout(site))).toBeCloseTo(plan.after, 10);
      }),
      { numRuns: 150 },
    );
  });

  it('refuses what a placement refuses, and nothing else', () => {
    fc.assert(
      fc.property(sites, fc.nat(), fc.nat(), (question, v, h) => {
        const layout = new Layout(question);
        const unit = layout.units[v % Math.max(1, layout.units.length)];
        const host = question.hosts[h % question.hosts.length];
        if (!unit || unit.fixed || !host || layout.hostOf(unit) === host.id) return;
        const vees = unit.vees.map((one) => ({
          ...one,
          moving: { from: one.hostId, away: true, driver: 'simulator' },
        }));
        const constraints = question.constraints.filter((c) => c.serviceId === vees[0]?.serviceId);
        const board = new Board({ at: 0, hosts: question.hosts, vees: question.vees }, { vees, constraints });
        const [asPlaced] = unitsOf({ vees, constraints });
        const refusals = asPlaced ? board.refusals(asPlaced, host) : [];
        expect(layout.refusal(unit, host.id) === undefined).toBe(refusals.length === 0);
      }),
      { numRuns: 250 },
    );
  });

  it('is never worth less than to take the best move each time, nor moves more', () => {
    fc.assert(
      fc.property(sites, (question) => {
        const [ours, theirs] = [new Layout(question), new Layout(question)];
        const steps = evenOut(ours, question);
        const greedy = greedily(theirs, question);
        const count = (of: readonly Step[]) => of.reduce((n, s) => n + s.unit.vees.length, 0);
        expect(count(steps)).toBeLessThanOrEqual(count(greedy));
        const worth = (layout: Layout, of: readonly Step[]) =>
          layout.unevenness() + of.reduce((n, s) => n + priceOf(layout, s.unit, s.from, question), 0);
        expect(worth(ours, steps)).toBeLessThanOrEqual(worth(theirs, greedy) + 1e-9);
      }),
      { numRuns: 100 },
    );
  });

  it.each(['1', '2', '3'])('evens a usual site out better, by as many moves, and once (seed %s)', (seed) => {
    const question: BalanceQuestion = {
      ...siteOf(12, 72, seed),
      policy: { name: 'striping' },
      mostMoves: 72,
    };
    const [ours, theirs] = [new Layout(question), new Layout(question)];
    const greedy = greedily(theirs, question);
    expect(evenOut(ours, question).length).toBeLessThanOrEqual(greedy.length);
    expect(ours.unevenness()).toBeLessThan(0.95 * theirs.unevenness());
    expect(planRebalance(afterwards(question, planRebalance(question))).moves).toEqual([]);
  });

  it('does not go on for ever: each run betters what the last one left, until nothing is worth it', () => {
    fc.assert(
      fc.property(sites, (first) => {
        let question: BalanceQuestion = { ...first, mostMoves: 100 };
        for (let run = 1; run <= 10; run++) {
          const plan = planRebalance(question);
          if (plan.moves.length === 0) return;
          const next = carriedOut(question, plan);
          expect(unevenness(next)).toBeLessThan(unevenness(question));
          question = next;
        }
        expect(planRebalance(question).moves).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it('drops a planned move that is no longer right, and what only that would have made right', () => {
    const vees = [0, 1, 2, 3, 4, 5].map((n) => vee(n, 'a'));
    const question = site(['a', 'b', 'c'], vees);
    const { moves } = planRebalance(question);
    const [gone] = moves;
    const without = site(
      ['a', 'b', 'c'],
      vees.filter((v) => v.id !== gone?.veeIds[0]),
    );
    expect(confirmMoves(without, moves)[0]).toEqual({ go: false, because: 'it is gone' });
    const moved = carriedOut(question, { moves: moves.slice(0, 1) });
    expect(confirmMoves(moved, moves)[0]).toEqual({
      go: false,
      because: `it is on ${gone?.toHostId} now`,
    });
    const even = site(
      ['a', 'b', 'c'],
      [vee(0, 'a'), vee(1, 'a'), vee(2, 'b'), vee(3, 'b'), vee(4, 'c'), vee(5, 'c')],
    );
    const there = confirmMoves(even, moves.slice(0, 1));
    expect(there).toEqual([{ go: false, because: 'it would better nothing any more' }]);
  });
});
