import fc from 'fast-check';
import type { ServiceId } from '../../domain/ids';
import type { Constraint } from '../../domain/placement/model';
import { distanceOf } from '../../domain/rebalance/distance';
import { Layout } from '../../domain/rebalance/layout';
import type { BalanceQuestion } from '../../domain/rebalance/model';
import { confirmMoves, planRebalance } from '../../domain/rebalance/plan';
import { CAPACITY, carriedOut, faults, site, sites, vee } from '../support/balance';

const packed = { policy: { name: 'packing' } } as const;
const big = { ...CAPACITY, cpuMillis: 3_000, diskMiB: 0 };
const fixed = 'it is PAUSED';
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
        '2 of the 2 hosts that are open are in use. What may move now frees none within the room, the rules and 20 ' +
        'moves, of which a free host is worth 25.',
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

  it('fills a host on which something has to stay', () => {
    const vees = [vee(0, 'a', { fixed: 'it is PAUSED' }), vee(1, 'a'), vee(2, 'b')];
    const plan = planRebalance(site(['a', 'b'], vees, packed));
    expect(plan.moves.map((m) => [m.label, m.toHostId])).toEqual([['shop/app/2', 'a']]);
  });

  it('makes room first for what leaves a host that is to be free', () => {
    // Only c can come free, and what is on it fits nowhere but on b, once something has gone from there to a.
    const sized = (cpuMillis: number) => ({ need: { ...CAPACITY, memoryMiB: 1, diskMiB: 0, cpuMillis } });
    const vees = [
      vee(0, 'a', { ...sized(5_000), fixed }),
      vee(1, 'b', { ...sized(2_500), fixed }),
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

  it('frees hosts within a zone that a service is tied to, and each zone as if it were alone', () => {
    const zone = (id: string) => ({ zone: id.slice(0, 1) });
    const tied = (n: number, hostId: string, service: string) =>
      vee(n, hostId, { serviceId: service as ServiceId });
    const vees = ['x', 'y'].flatMap((z, k) =>
      ['1', '2', '3'].map((h, n) => tied(3 * k + n, `${z}${h}`, `svc-${z}`)),
    );
    const constraints: Constraint[] = ['x', 'y'].map((z) => ({
      kind: 'together',
      level: 'zone',
      serviceId: `svc-${z}` as ServiceId,
      components: ['app'],
    }));
    const ids = ['x1', 'x2', 'x3', 'y1', 'y2', 'y3'];
    const plan = planRebalance(site(ids, vees, { ...packed, constraints }, zone));
    expect(plan).toMatchObject({ before: 6, after: 2 });
    expect(plan.moves.every((m) => m.fromHostId[0] === m.toHostId[0])).toBe(true);
  });

  it('lets what is not as it should be keep nothing else from moving', () => {
    const split: Constraint = {
      ...{ kind: 'apart-within', level: 'host', serviceId: 'other' as ServiceId, component: 'db', most: 1 },
    };
    const db = { serviceId: 'other' as ServiceId, component: 'db' };
    // Two share a host that may not, and another host holds more than it has.
    const vees = [vee(0, 'a', db), vee(1, 'a', db), vee(2, 'b'), vee(3, 'c')];
    const full = (id: string) => (id === 'd' ? { reserved: { ...CAPACITY, cpuMillis: 9_000 } } : {});
    const more = { ...packed, constraints: [split] };
    const plan = planRebalance(site(['a', 'b', 'c', 'd'], [...vees, vee(4, 'd')], more, full));
    expect(plan).toMatchObject({ before: 4, after: 2 });
    expect(plan.moves.map((m) => m.label).sort()).toEqual(['shop/app/2', 'shop/app/3']);
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
        const { cost = 0, bound = 0 } = plan.optimality ?? {};
        expect(cost).toBeGreaterThanOrEqual(bound - 1e-9);
        let now = question;
        for (const [n, wave] of plan.waves.entries()) {
          const moves = wave.flatMap((i) => plan.moves[i] ?? []);
          const toCome = plan.waves.slice(n).flatMap((w) => w.flatMap((i) => plan.moves[i] ?? []));
          const verdicts = confirmMoves(now, moves, { goal: 'few-hosts', moves: toCome });
          expect(verdicts).toEqual(moves.map(() => ({ go: true })));
          now = carriedOut(now, { moves });
        }
        expect(planRebalance(question)).toEqual(plan);
        // Whatever is found once more betters what was found before, so it comes to an end.
        expect(inUse(carriedOut(now, planRebalance(now)))).toBeLessThanOrEqual(plan.after);
      }),
      { numRuns: 100 },
    );
  });

  describe('that is confirmed later', () => {
    const sized = (cpuMillis: number) => ({ need: { ...CAPACITY, memoryMiB: 1, diskMiB: 0, cpuMillis } });
    const go = { go: true };
    const no = (because: string) => ({ go: false, because });

    it('moves nothing from a host that will not be free', () => {
      const vees = [vee(0, 'a'), vee(1, 'a'), vee(2, 'b'), vee(3, 'b'), vee(4, 'b')];
      const plan = planRebalance(site(['a', 'b'], vees, packed));
      expect(plan.moves.map((m) => m.fromHostId)).toEqual(['a', 'a']);
      const confirmed = (now: readonly (typeof vees)[number][]) =>
        confirmMoves(site(['a', 'b'], now, packed), plan.moves, plan);
      expect(confirmed(vees)).toEqual([go, go]);
      expect(confirmed([...vees, vee(5, 'a')])).toEqual(Array(2).fill(no('a would not be free any more')));
      const paused = vees.map((v) => (v.index === 0 ? { ...v, fixed: 'it is PAUSED' } : v));
      expect(confirmed(paused)).toEqual(
        plan.moves.map((m) => no(m.label === 'shop/app/0' ? 'it is PAUSED' : 'a would not be free any more')),
      );
      // The first of them has no room any more, so the second need not go.
      const crowded = [...vees, vee(6, 'b', sized(4_500))];
      expect(confirmed(crowded).filter((v) => v.go)).toEqual([]);
    });

    it('makes room for nothing that does not come', () => {
      const vees = [
        vee(0, 'a', { ...sized(5_000), fixed }),
        vee(1, 'b', { ...sized(2_500), fixed }),
        vee(2, 'b', sized(2_500)),
        vee(3, 'c', sized(5_500)),
      ];
      const plan = planRebalance(site(['a', 'b', 'c'], vees, packed));
      const [first] = plan.waves.map((wave) => wave.flatMap((i) => plan.moves[i] ?? []));
      expect(first?.map((m) => m.makesRoom)).toEqual([true]);
      const confirmed = (now: readonly (typeof vees)[number][]) =>
        confirmMoves(site(['a', 'b', 'c'], now, packed), first ?? [], plan);
      expect(confirmed(vees)).toEqual([go]);
      expect(confirmed(vees.slice(0, 3))).toEqual([no('nothing goes to b any more')]);
      expect(confirmed([...vees, vee(4, 'c', sized(100))])).toEqual([no('nothing goes to b any more')]);
    });

    it('opens no host that has become free by itself', () => {
      const vees = [vee(0, 'a'), vee(1, 'b'), vee(2, 'a')];
      const plan = planRebalance(site(['a', 'b'], vees, packed));
      expect(plan.moves.map((m) => [m.fromHostId, m.toHostId])).toEqual([['b', 'a']]);
      const alone = site(['a', 'b'], vees.slice(1, 2), packed);
      expect(confirmMoves(alone, plan.moves, plan)).toEqual([no('nothing else is on a any more')]);
    });

    it('moves nothing once the policy is another', () => {
      const question = site(['a', 'b'], [vee(0, 'a'), vee(1, 'b'), vee(2, 'b')], packed);
      const plan = planRebalance(question);
      expect(plan.moves.map((m) => m.label)).toEqual(['shop/app/0']);
      const other = { ...question, policy: { name: 'striping' } as const };
      expect(confirmMoves(other, plan.moves, plan)).toEqual([no('the placement policy is striping now')]);
    });
  });
});
