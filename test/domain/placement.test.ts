import fc from 'fast-check';
import type { HostId, VeeId } from '../../domain/ids';
import { breaches } from '../../domain/placement/constraints';
import { MAX_BINARIES, solveExactly } from '../../domain/placement/exact';
import { unitsOf } from '../../domain/placement/feasibility';
import type { Constraint, PlacementRequest, Snapshot } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import type { Policy } from '../../domain/placement/policy';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import { fits, subtract, sum } from '../../domain/units';
import {
  context,
  host,
  packing,
  placed,
  serviceId,
  snapshotOf,
  tenantId,
  vee,
  within,
} from '../support/placement';

describe('plan', () => {
  it('packs into the tightest host, or stripes over the emptiest', () => {
    const snapshot = snapshotOf([host('big', 4_000), host('small', 500)]);
    const request = { vees: [vee('a', 0, 400)], constraints: [] };
    expect(placed(snapshot, request)).toEqual({ 'a/0': 'small' });
    expect(placed(snapshot, request, { name: 'striping' })).toEqual({ 'a/0': 'big' });
  });

  it.each([
    ['a cordoned host', { cordoned: true }, 'cordoned'],
    ['a suspect host', { liveness: 'suspect' as const }, 'the host is suspect'],
    ['a host without the image', { images: [] }, 'lacks the image busybox'],
    [
      'a full host',
      { reserved: { cpuMillis: 950, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 } },
      'cpuMillis 100 needed, 50 free',
    ],
  ])('refuses %s, and says why', (_, overrides, reason) => {
    const answer = plan(
      snapshotOf([host('h', 1_000, overrides)]),
      { vees: [vee('a', 0)], constraints: [] },
      packing,
      context,
    );
    expect(answer.kind).toBe('infeasible');
    if (answer.kind === 'infeasible') expect(refusalSummary(answer)).toContain(reason);
  });

  it('says so when there are no hosts', () => {
    const answer = plan(snapshotOf([]), { vees: [vee('a', 0)], constraints: [] }, packing, context);
    expect(answer.kind === 'infeasible' && refusalSummary(answer)).toContain('the site has no hosts');
  });

  it('gives the reason for the host chosen and for each one refused', () => {
    const snapshot = snapshotOf([host('h1', 1_000), host('h2', 1_000, { cordoned: true }), host('h3', 50)]);
    const answer = plan(snapshot, { vees: [vee('a', 0)], constraints: [] }, packing, context);
    if (answer.kind !== 'blueprint') throw new Error('infeasible');
    expect(answer.assignments[0]).toMatchObject({ hostId: 'h1', because: 'the only host that can take it' });
    expect(answer.assignments[0]?.verdicts).toMatchObject([
      { hostId: 'h1', refusals: [], score: expect.any(Number) },
      { hostId: 'h2', refusals: [{ reason: 'cordoned' }] },
      { hostId: 'h3', refusals: [{ reason: 'capacity', dimension: 'cpuMillis', need: 100, free: 50 }] },
    ]);
  });

  it('keeps array members apart, and says when there are too few hosts', () => {
    const snapshot = snapshotOf([host('h1', 1_000), host('h2', 1_000)]);
    const two = placed(snapshot, { vees: [vee('a', 0), vee('a', 1)], constraints: [within('a')] });
    expect(new Set(Object.values(two)).size).toBe(2);
    const three = plan(
      snapshot,
      { vees: [0, 1, 2].map((i) => vee('a', i)), constraints: [within('a')] },
      packing,
      context,
    );
    expect(three).toMatchObject({ kind: 'infeasible' });
  });

  it('keeps different components apart, and others together, also beside what runs already', () => {
    const between: Constraint = { kind: 'apart-between', level: 'host', serviceId, components: ['a', 'b'] };
    const together: Constraint = { kind: 'together', level: 'host', serviceId, components: ['a', 'c'] };
    const snapshot: Snapshot = {
      ...snapshotOf([host('h1', 1_000), host('h2', 1_000)]),
      vees: [{ id: 'vee-x' as VeeId, tenantId, serviceId, component: 'a', hostId: 'h1' as HostId }],
    };
    expect(placed(snapshot, { vees: [vee('b', 0), vee('c', 0)], constraints: [between, together] })).toEqual({
      'b/0': 'h2',
      'c/0': 'h1',
    });
  });

  it('chooses a host that has room for all that must be together', () => {
    const together: Constraint = { kind: 'together', level: 'host', serviceId, components: ['a', 'b'] };
    const snapshot = snapshotOf([host('small', 150), host('big', 1_000)]);
    expect(placed(snapshot, { vees: [vee('a', 0), vee('b', 0)], constraints: [together] })).toEqual({
      'a/0': 'big',
      'b/0': 'big',
    });
  });

  it('honours labels, allowed and denied hosts', () => {
    const rule = (rest: Partial<Extract<Constraint, { kind: 'assignment' }>>): Constraint => ({
      kind: 'assignment',
      serviceId,
      component: 'a',
      labels: {},
      denyHosts: [],
      ...rest,
    });
    const snapshot = snapshotOf([host('h1', 1_000, { labels: { disk: 'ssd' } }), host('h2', 1_000)]);
    const where = (c: Constraint) => placed(snapshot, { vees: [vee('a', 0)], constraints: [c] })['a/0'];
    expect(where(rule({ labels: { disk: 'ssd' } }))).toBe('h1');
    expect(where(rule({ allowHosts: ['h2'] }))).toBe('h2');
    expect(where(rule({ denyHosts: ['h2'] }))).toBe('h1');
  });

  it('never takes the source, nor another driver, for a migration', () => {
    const snapshot: Snapshot = {
      ...snapshotOf([host('h1', 1_000), host('h2', 1_000, { driver: 'container' }), host('h3', 1_000)]),
      vees: [{ id: 'vee-a-0' as VeeId, tenantId, serviceId, component: 'a', hostId: 'h1' as HostId }],
    };
    const request = {
      vees: [{ ...vee('a', 0), moving: { from: 'h1' as HostId, away: true, driver: 'simulator' } }],
      constraints: [within('a')],
    };
    expect(placed(snapshot, request)).toEqual({ 'a/0': 'h3' });
  });

  it('takes the host that was asked for or none, and blames no constraint for that', () => {
    const asked = (to: string) => {
      const moving = { from: 'h1' as HostId, away: true, to };
      return { vees: [{ ...vee('a', 0), moving }], constraints: [within('a')] };
    };
    const hosts = [host('h1', 1_000), host('h2', 1_000), host('h3', 1_000, { cordoned: true })];
    expect(placed(snapshotOf(hosts), asked('h2'))).toEqual({ 'a/0': 'h2' });
    const answer = plan(snapshotOf(hosts), asked('h3'), packing, context);
    expect(answer.kind === 'infeasible' && refusalSummary(answer)).toBe(
      'No placement exists for a/0. h1: it runs there now, it is not the host that was asked for; ' +
        'h2: it is not the host that was asked for; h3: the host is cordoned.',
    );
  });

  it('finds by the exact path what greed misses', () => {
    // Greedy packs a/0 (60) into the 100 host; then the two of 50 can't both be placed.
    const snapshot = snapshotOf([host('h1', 100), host('h2', 110)]);
    const request = {
      vees: [vee('a', 0, 60), vee('b', 0, 50), vee('c', 0, 50), vee('d', 0, 50)],
      constraints: [],
    };
    const answer = plan(snapshot, request, packing, context);
    expect(answer).toMatchObject({ kind: 'blueprint', algorithm: 'exact' });
  });

  it('does not ask the solver what is too large for it', () => {
    const hosts = Array.from({ length: MAX_BINARIES }, (_, i) => host(`h${i}`, 1_000));
    const request = { vees: [vee('a', 0), vee('a', 1)], constraints: [] };
    expect(solveExactly(snapshotOf(hosts), request, unitsOf(request))).toEqual({ kind: 'unknown' });
  });
});

/** Small clusters and requests, so that brute force can judge the planner. */
const problem = fc.record({
  capacities: fc.array(fc.integer({ min: 50, max: 300 }), { minLength: 1, maxLength: 4 }),
  needs: fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 20, max: 150 })), {
    minLength: 1,
    maxLength: 5,
  }),
  constraints: fc.subarray<Constraint>([
    within('a'),
    { kind: 'apart-between', level: 'host', serviceId, components: ['a', 'b'] },
    { kind: 'together', level: 'host', serviceId, components: ['b', 'c'] },
    { kind: 'assignment', serviceId, component: 'c', labels: {}, denyHosts: ['h0'] },
    { kind: 'apart-within', level: 'zone', serviceId, component: 'a', most: 1 },
    { kind: 'apart-between', level: 'zone', serviceId, components: ['a', 'c'] },
    { kind: 'together', level: 'zone', serviceId, components: ['b', 'c'] },
    within('b', 2),
    within('c', 2, 'zone'),
  ]),
  policy: fc.constantFrom<Policy>({ name: 'packing' }, { name: 'striping' }),
});

describe('plan, against a naive judge', () => {
  const build = ({
    capacities,
    needs,
    constraints,
  }: {
    capacities: number[];
    needs: [string, number][];
    constraints: Constraint[];
  }) => ({
    snapshot: snapshotOf(capacities.map((c, i) => host(`h${i}`, c, { zone: `z${i % 2}` }))),
    request: { vees: needs.map(([c, n], i) => vee(c, i, n)), constraints } satisfies PlacementRequest,
  });

  function legal(snapshot: Snapshot, request: PlacementRequest, hostOf: readonly HostId[]): boolean {
    const hosts = new Map(snapshot.hosts.map((h) => [h.id, h]));
    const vees = request.vees.map((v, i) => ({ ...v, hostId: hostOf[i] as HostId }));
    const roomy = snapshot.hosts.every((h) =>
      fits(subtract(h.capacity, h.reserved), sum(vees.filter((v) => v.hostId === h.id).map((v) => v.need))),
    );
    const zoneOf = (v: { hostId: HostId }) => hosts.get(v.hostId)?.zone;
    const keeps = request.constraints.every((c) => {
      if (c.kind === 'requirement' || c.kind === 'capable') throw new Error('not drawn here');
      if (c.kind === 'assignment')
        return vees.every((v) => v.component !== c.component || !c.denyHosts.includes(v.hostId));
      const near = (a: { hostId: HostId }, b: { hostId: HostId }) =>
        c.level === 'zone' ? zoneOf(a) === zoneOf(b) : a.hostId === b.hostId;
      return vees.every((a, i) =>
        vees.slice(i + 1).every((b) => {
          if (c.kind === 'apart-within') {
            const like = vees.filter((v) => v.component === c.component && near(v, a));
            return a.component !== c.component || like.length <= c.most;
          }
          if (c.kind === 'spread') return true;
          if (!c.components.includes(a.component) || !c.components.includes(b.component)) return true;
          return c.kind === 'together' ? near(a, b) : a.component === b.component || !near(a, b);
        }),
      );
    });
    // The product's own checker says the same.
    expect(request.constraints.every((c) => breaches(c, vees, hosts).length === 0)).toBe(keeps);
    return roomy && keeps;
  }

  function anyLegal(snapshot: Snapshot, request: PlacementRequest, chosen: HostId[] = []): boolean {
    if (chosen.length === request.vees.length) return legal(snapshot, request, chosen);
    return snapshot.hosts.some((h) => anyLegal(snapshot, request, [...chosen, h.id]));
  }

  it('answers with a legal placement, and refuses only what has none', () => {
    fc.assert(
      fc.property(problem, (p) => {
        const { snapshot, request } = build(p);
        const answer = plan(snapshot, request, p.policy, context);
        if (answer.kind === 'blueprint') {
          const hostOf = request.vees.map(
            (v) => answer.assignments.find((a) => a.veeId === v.id)?.hostId as HostId,
          );
          expect(legal(snapshot, request, hostOf)).toBe(true);
        } else {
          expect(anyLegal(snapshot, request)).toBe(false);
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('is a function: the same input gives the same blueprint, whatever the order of hosts', () => {
    fc.assert(
      fc.property(problem, (p) => {
        const { snapshot, request } = build(p);
        const shuffled = { ...snapshot, hosts: [...snapshot.hosts].reverse() };
        const where = (s: Snapshot) => {
          const answer = plan(s, request, p.policy, context);
          return answer.kind === 'blueprint' && answer.algorithm === 'greedy'
            ? answer.assignments.map((a) => a.hostId)
            : answer.kind;
        };
        expect(plan(snapshot, request, p.policy, context)).toEqual(
          plan(snapshot, request, p.policy, context),
        );
        if (p.capacities.every((c) => c === p.capacities[0]))
          expect(where(shuffled)).toEqual(where(snapshot));
      }),
      { numRuns: 100 },
    );
  });

  it('explains every refusal of an infeasible answer', () => {
    fc.assert(
      fc.property(problem, (p) => {
        const { snapshot, request } = build(p);
        const answer = plan(snapshot, request, p.policy, context);
        if (answer.kind !== 'infeasible') return;
        for (const u of answer.unplaced) {
          expect(u.hosts.map((h) => h.hostId)).toEqual(snapshot.hosts.map((h) => h.id));
          for (const h of u.hosts) expect(h.refusals).not.toEqual([]);
        }
      }),
    );
  });
});
