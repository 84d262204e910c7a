import fc from 'fast-check';
import type { HostId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import { breaches } from '../../domain/placement/constraints';
import { Board, unitsOf } from '../../domain/placement/feasibility';
import type { Constraint, SnapshotHost } from '../../domain/placement/model';
import { imbalanceOf, Layout } from '../../domain/rebalance/layout';
import type { BalancedVee, BalancePlan, BalanceQuestion } from '../../domain/rebalance/model';
import { confirmMoves, planRebalance } from '../../domain/rebalance/plan';
import { add, type Capacity, fits, sum, ZERO } from '../../domain/units';

const budget = { linkKbps: 1_000_000, streamKbps: 250_000 };
const CAPACITY: Capacity = { cpuMillis: 8_000, memoryMiB: 8_192, diskMiB: 100_000, bandwidthKbps: 0 };

const vee = (n: number, hostId: string, more: Partial<BalancedVee> = {}): BalancedVee => ({
  id: `vee-${n}` as VeeId,
  tenantId: 't' as TenantId,
  serviceId: 's' as ServiceId,
  serviceName: 'shop',
  component: 'app',
  index: n,
  need: { cpuMillis: 1_000, memoryMiB: 1_024, diskMiB: 0, bandwidthKbps: 0 },
  image: 'busybox',
  stopGraceMillis: 0,
  hostId: hostId as HostId,
  ...more,
});

/** Hosts, with what the VEEs on them need reserved. */
function site(
  ids: readonly string[],
  vees: readonly BalancedVee[],
  more: Partial<BalanceQuestion> = {},
  host: (id: string) => Partial<SnapshotHost> = () => ({}),
): BalanceQuestion {
  const hosts = ids.map((id) => ({
    id: id as HostId,
    zone: 'z',
    labels: {},
    liveness: 'up' as const,
    cordoned: false,
    driver: 'simulator',
    capabilities: { migration: 'live' } as SnapshotHost['capabilities'],
    images: ['busybox'],
    capacity: CAPACITY,
    reserved: sum(vees.filter((v) => v.hostId === id).map((v) => v.need)),
    ...host(id),
  }));
  return {
    at: 0,
    hosts,
    vees,
    constraints: [],
    policy: { name: 'striping' },
    budget,
    mostMoves: 20,
    ...more,
  };
}

/** The site after a plan, as the next run finds it. */
function carriedOut(question: BalanceQuestion, { moves }: Pick<BalancePlan, 'moves'>): BalanceQuestion {
  const to = new Map(moves.flatMap((m) => m.veeIds.map((id) => [id, m.toHostId])));
  const vees = question.vees.map((v) => ({ ...v, hostId: to.get(v.id) ?? v.hostId }));
  const hosts = question.hosts.map((h) => {
    const others = h.reserved;
    const was = sum(question.vees.filter((v) => v.hostId === h.id).map((v) => v.need));
    const is = sum(vees.filter((v) => v.hostId === h.id).map((v) => v.need));
    const reserved = add(others, {
      cpuMillis: is.cpuMillis - was.cpuMillis,
      memoryMiB: is.memoryMiB - was.memoryMiB,
      diskMiB: is.diskMiB - was.diskMiB,
      bandwidthKbps: is.bandwidthKbps - was.bandwidthKbps,
    });
    return { ...h, reserved };
  });
  return { ...question, vees, hosts };
}

/**
 * Carries a plan out wave by wave, as hosts do: in a wave all new places are taken before any old one is given back.
 * Knows nothing of how the plan was made.
 */
function faults(question: BalanceQuestion, plan: BalancePlan): string[] {
  const found: string[] = [];
  const hosts = new Map(question.hosts.map((h) => [h.id, h]));
  const at = new Map(question.vees.map((v) => [v.id, v.hostId]));
  const used = new Map(question.hosts.map((h) => [h.id, h.reserved]));
  const needOf = (id: VeeId) => question.vees.find((v) => v.id === id)?.need ?? ZERO;
  const change = (hostId: HostId, id: VeeId, sign: 1 | -1) => {
    const need = needOf(id);
    const signed = Object.fromEntries(Object.entries(need).map(([d, n]) => [d, sign * n])) as never;
    used.set(hostId, add(used.get(hostId) ?? ZERO, signed));
  };
  const check = (when: string, where: ReadonlyMap<VeeId, HostId>) => {
    for (const [id, host] of hosts)
      if (!fits(host.capacity, used.get(id) ?? ZERO)) found.push(`${when}: ${id} is overfull`);
    const placed = question.vees.map((v) => ({ ...v, hostId: where.get(v.id) ?? v.hostId }));
    for (const c of question.constraints)
      if (c.kind !== 'together') found.push(...breaches(c, placed, hosts).map((b) => `${when}: ${b}`));
  };
  for (const [n, wave] of plan.waves.entries()) {
    const moves = wave.flatMap((i) => plan.moves[i] ?? []);
    const arrived = new Map(at);
    for (const m of moves)
      for (const id of m.veeIds) {
        if (at.get(id) !== m.fromHostId) found.push(`wave ${n}: ${id} is not on ${m.fromHostId}`);
        arrived.set(id, m.toHostId);
        change(m.toHostId, id, 1);
      }
    check(`wave ${n}`, at);
    // Who arrives meets, at worst, all who have not left yet.
    for (const m of moves)
      for (const id of m.veeIds) {
        const alone = new Map(at).set(id, m.toHostId);
        for (const c of question.constraints.filter((x) => x.kind !== 'together')) {
          const placed = question.vees.map((v) => ({ ...v, hostId: alone.get(v.id) ?? v.hostId }));
          found.push(...breaches(c, placed, hosts).map((b) => `wave ${n}, ${id} first: ${b}`));
        }
      }
    for (const m of moves) for (const id of m.veeIds) change(m.fromHostId, id, -1);
    for (const [id, to] of arrived) at.set(id, to);
    check(`after wave ${n}`, at);
  }
  const done = plan.waves.flat();
  if (new Set(done).size !== plan.moves.length || done.length !== plan.moves.length)
    found.push('not every move is in one wave');
  for (const c of question.constraints.filter((x) => x.kind === 'together')) {
    const placed = question.vees.map((v) => ({ ...v, hostId: at.get(v.id) ?? v.hostId }));
    found.push(...breaches(c, placed, hosts).map((b) => `in the end: ${b}`));
  }
  return found;
}

const unevenness = (question: BalanceQuestion) => new Layout(question).unevenness();

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

  it('does not undo what packing is meant to do', () => {
    const vees = [0, 1, 2, 3].map((n) => vee(n, 'a'));
    expect(planRebalance(site(['a', 'b'], vees, { policy: { name: 'packing' } }))).toMatchObject({
      moves: [],
      because: expect.stringContaining('packing'),
    });
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

  const load = fc.record({
    host: fc.integer({ min: 0, max: 4 }),
    service: fc.integer({ min: 0, max: 2 }),
    component: fc.constantFrom('app', 'db', 'web', 'cache'),
    cpuMillis: fc.integer({ min: 100, max: 2_000 }),
    memoryMiB: fc.integer({ min: 64, max: 2_048 }),
    fixed: fc.boolean(),
  });
  const sites = fc
    .record({
      loads: fc.array(load, { minLength: 1, maxLength: 30 }),
      rules: fc.subarray([
        ...(['apart-within', 'apart-between', 'together', 'deny'] as const),
        ...(['apart-within by zone', 'apart-between by zone', 'together by zone'] as const),
        ...(['two of web', 'two of cache by zone'] as const),
      ]),
      mostMoves: fc.integer({ min: 1, max: 30 }),
    })
    .map(({ loads, rules, mostMoves }) => {
      const ids = ['a', 'b', 'c', 'd', 'e'];
      const constraints = [0, 1, 2].flatMap((n): Constraint[] => {
        const serviceId = `s${n}` as ServiceId;
        const all: Record<(typeof rules)[number], Constraint> = {
          'apart-within': { kind: 'apart-within', level: 'host', serviceId, component: 'db', most: 1 },
          'apart-between': { kind: 'apart-between', level: 'host', serviceId, components: ['db', 'web'] },
          together: { kind: 'together', level: 'host', serviceId, components: ['web', 'cache'] },
          deny: { kind: 'assignment', serviceId, component: 'app', labels: {}, denyHosts: ['e'] },
          'apart-within by zone': {
            kind: 'apart-within',
            level: 'zone',
            serviceId,
            component: 'app',
            most: 1,
          },
          'apart-between by zone': {
            kind: 'apart-between',
            level: 'zone',
            serviceId,
            components: ['db', 'cache'],
          },
          'two of web': { kind: 'apart-within', level: 'host', serviceId, component: 'web', most: 2 },
          'two of cache by zone': {
            kind: 'apart-within',
            level: 'zone',
            serviceId,
            component: 'cache',
            most: 2,
          },
          'together by zone': { kind: 'together', level: 'zone', serviceId, components: ['app', 'web'] },
        };
        return rules.map((r) => all[r]);
      });
      const vees: BalancedVee[] = [];
      const used = new Map<string, Capacity>();
      const zones: Record<string, string> = { a: 'z1', b: 'z1', c: 'z2', d: 'z2', e: 'z3' };
      const inZone = (id: string) => ({ zone: zones[id] ?? '' });
      const hosts = site(ids, [], {}, inZone).hosts;
      const byId = new Map(hosts.map((h) => [h.id, h]));
      // Only what may be there by the rules, and has room: a site that is sound to begin with.
      for (const [n, l] of loads.entries()) {
        const need = { ...ZERO, cpuMillis: l.cpuMillis, memoryMiB: l.memoryMiB };
        const hostId = ids[l.host] ?? 'a';
        const one = vee(n, hostId, {
          serviceId: `s${l.service}` as ServiceId,
          component: l.component,
          need,
          ...(l.fixed ? { fixed: 'so' } : {}),
        });
        const after = add(used.get(hostId) ?? ZERO, need);
        const broken = constraints.some((c) => breaches(c, [...vees, one], byId).length > 0);
        if (broken || !fits(CAPACITY, after)) continue;
        used.set(hostId, after);
        vees.push(one);
      }
      return site(ids, vees, { constraints, mostMoves }, inZone);
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
      { numRuns: 300 },
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
      { numRuns: 500 },
    );
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
      { numRuns: 100 },
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
