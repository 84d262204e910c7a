import fc from 'fast-check';
import type { ServiceId } from '../../domain/ids';
import type { Constraint } from '../../domain/placement/model';
import { distanceOf, Layout } from '../../domain/rebalance/layout';
import type { BalanceQuestion } from '../../domain/rebalance/model';
import { confirmMoves, planRebalance } from '../../domain/rebalance/plan';
import { CAPACITY, carriedOut, faults, site, sites, vee } from '../support/balance';

const packed = { policy: { name: 'packing' } } as const;
const big = { ...CAPACITY, cpuMillis: 3_000, diskMiB: 0 };
const inUse = (question: BalanceQuestion): number => distanceOf(new Layout(question), 'few-hosts');

describe('a rebalance by the policy packing', () => {
  it('frees a host whose VEEs have room on the others', () => {
    const vees = [vee(0, 'a'), vee(1, 'a'), vee(2, 'b'), vee(3, 'b'), vee(4, 'c')];
    const plan = planRebalance(site(['a', 'b', 'c', 'd'], vees, packed));
    expect(plan).toMatchObject({ goal: 'few-hosts', before: 3, after: 1 });
    expect(plan.moves.map((m) => m.frees)).toEqual([true, true, true]);
    expect(plan.moves[0]?.because).toMatch(
      /^[ac] is free then, and b has room$|^[bc] is free then, and a has room$/,
    );
    expect(plan.optimality?.cost).toBeCloseTo(plan.optimality?.bound ?? 0, 6);
  });

  it('moves nothing where no host would be free', () => {
    const vees = ['a', 'b'].flatMap((host, h) => [0, 1].map((n) => vee(2 * h + n, host, { need: big })));
    expect(planRebalance(site(['a', 'b'], vees, packed))).toMatchObject({
      moves: [],
      before: 2,
      after: 2,
      because:
        '2 of the 2 hosts that are open are in use, and no moves that are allowed now would free one for what they cost.',
    });
  });

  it('frees no host by more moves than it may make, or than that is worth', () => {
    const vees = Array.from({ length: 6 }, (_, n) => vee(n, n < 3 ? 'a' : 'b'));
    expect(planRebalance(site(['a', 'b'], vees, { ...packed, mostMoves: 2 })).moves).toEqual([]);
    expect(planRebalance(site(['a', 'b'], vees, { ...packed, mostMoves: 3 })).moves).toHaveLength(3);
    const tiny = { cpuMillis: 10, memoryMiB: 10, diskMiB: 0, bandwidthKbps: 0 };
    const many = Array.from({ length: 80 }, (_, n) => vee(n, n < 40 ? 'a' : 'b', { need: tiny }));
    expect(planRebalance(site(['a', 'b'], many, { ...packed, mostMoves: 100 })).moves).toEqual([]);
  });

  it('leaves a host alone on which something has to stay', () => {
    const vees = [vee(0, 'a', { fixed: 'it is PAUSED' }), vee(1, 'a'), vee(2, 'b')];
    const plan = planRebalance(site(['a', 'b'], vees, packed));
    expect(plan.moves.map((m) => [m.label, m.toHostId])).toEqual([['shop/app/2', 'a']]);
  });

  it('makes room first for what leaves a host that is to be free', () => {
    // What is on c fits nowhere but on b, once something has gone from there to a.
    const sized = (cpuMillis: number) => ({ need: { ...CAPACITY, memoryMiB: 1, diskMiB: 0, cpuMillis } });
    const vees = [
      vee(0, 'a', sized(5_000)),
      vee(1, 'b', sized(2_500)),
      vee(2, 'b', sized(2_500)),
      vee(3, 'c', sized(5_500)),
    ];
    const question = site(['a', 'b', 'c'], vees, packed);
    const plan = planRebalance(question);
    expect(faults(question, plan)).toEqual([]);
    expect(plan).toMatchObject({ before: 3, after: 2 });
    expect(plan.moves.find((m) => m.makesRoom)?.because).toBe(
      'b has room then for what leaves a host that is to be free',
    );
    expect(plan.waves.length).toBe(2);
  });

  it('keeps to rules about zones while it moves what they tie', () => {
    const constraints: Constraint[] = [
      { kind: 'together', level: 'zone', serviceId: 's' as ServiceId, components: ['app'] },
    ];
    const zone = (id: string) => ({ zone: id === 'c' ? 'z2' : 'z1' });
    const vees = [vee(0, 'a'), vee(1, 'b'), vee(2, 'c', { serviceId: 'other' as ServiceId })];
    const plan = planRebalance(site(['a', 'b', 'c'], vees, { ...packed, constraints }, zone));
    expect(plan.moves.every((m) => m.serviceId !== 's' || m.toHostId !== 'c')).toBe(true);
    expect(plan.after).toBe(1);
  });

  it('never breaks a rule on the way, nor moves what may not move, and frees what it says', () => {
    fc.assert(
      fc.property(sites, (at) => {
        const question: BalanceQuestion = { ...at, ...packed };
        const plan = planRebalance(question);
        expect(faults(question, plan)).toEqual([]);
        const moved = plan.moves.flatMap((m) => m.veeIds);
        expect(moved.length).toBeLessThanOrEqual(question.mostMoves);
        expect(new Set(moved).size).toBe(moved.length);
        expect(question.vees.filter((v) => v.fixed && moved.includes(v.id))).toEqual([]);
        expect(inUse(question)).toBe(plan.before);
        expect(inUse(carriedOut(question, plan))).toBe(plan.after);
        if (moved.length > 0) expect(plan.after).toBeLessThan(plan.before);
        if (plan.optimality)
          expect(plan.optimality.cost).toBeGreaterThanOrEqual(plan.optimality.bound - 1e-9);
        let now = question;
        for (const [n, wave] of plan.waves.entries()) {
          const moves = wave.flatMap((i) => plan.moves[i] ?? []);
          const toCome = plan.waves.slice(n).flatMap((w) => w.flatMap((i) => plan.moves[i] ?? []));
          const verdicts = confirmMoves(now, moves, { goal: 'few-hosts', moves: toCome });
          expect(verdicts).toEqual(moves.map(() => ({ go: true })));
          now = carriedOut(now, { moves });
        }
        expect(planRebalance(question)).toEqual(plan);
      }),
      { numRuns: 100 },
    );
  });

  it('drops what frees nothing any more, and all of it once the policy is another', () => {
    const vees = [vee(0, 'a'), vee(1, 'b'), vee(2, 'b')];
    const question = site(['a', 'b'], vees, packed);
    const plan = planRebalance(question);
    expect(plan.moves.map((m) => m.label)).toEqual(['shop/app/0']);
    const came = site(['a', 'b'], [...vees, vee(3, 'a')], packed);
    expect(confirmMoves(came, plan.moves, plan)).toEqual([
      { go: false, because: 'a would not be free any more' },
    ]);
    const other = { ...question, policy: { name: 'striping' } as const };
    expect(confirmMoves(other, plan.moves, plan)).toEqual([
      { go: false, because: 'the placement policy is striping now' },
    ]);
  });
});
