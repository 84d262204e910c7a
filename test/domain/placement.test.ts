import fc from 'fast-check';
import type { BlueprintId, HostId, OperationId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import { breaches } from '../../domain/placement/constraints';
import { MAX_BINARIES, solveExactly } from '../../domain/placement/exact';
import { unitsOf } from '../../domain/placement/feasibility';
import type {
  Constraint,
  PlacementRequest,
  Policy,
  RequestedVee,
  Snapshot,
  SnapshotHost,
} from '../../domain/placement/model';
import { planPartially } from '../../domain/placement/partial';
import { plan } from '../../domain/placement/plan';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import { fits, subtract, sum } from '../../domain/units';
import { hostNamed } from '../support/recompose';

const serviceId = 'svc-1' as ServiceId;
const tenantId = 'acme' as TenantId;
const context = { now: 1, seed: 's', blueprintId: 'bp-1' as BlueprintId, operationId: 'op-1' as OperationId };
const packing: Policy = { name: 'packing' };

const host = (id: string, cpuMillis: number, overrides: Partial<SnapshotHost> = {}): SnapshotHost =>
  hostNamed(id, {
    images: ['busybox'],
    capacity: { cpuMillis, memoryMiB: 10_000, diskMiB: 10_000, bandwidthKbps: 10_000 },
    ...overrides,
  });

function vee(component: string, index: number, cpuMillis = 100): RequestedVee {
  const need = { cpuMillis, memoryMiB: 100, diskMiB: 0, bandwidthKbps: 0 };
  return {
    id: `vee-${component}-${index}` as VeeId,
    tenantId,
    serviceId,
    component,
    index,
    need,
    image: 'busybox',
  };
}

const snapshotOf = (hosts: SnapshotHost[]): Snapshot => ({ at: 1, hosts, vees: [] });
const within = (component: string, most = 1, level: 'host' | 'zone' = 'host'): Constraint => ({
  kind: 'apart-within',
  level,
  serviceId,
  component,
  most,
});

function placed(snapshot: Snapshot, request: PlacementRequest, policy = packing): Record<string, string> {
  const answer = plan(snapshot, request, policy, context);
  if (answer.kind !== 'blueprint') throw new Error(refusalSummary(answer));
  return Object.fromEntries(answer.assignments.map((a) => [`${a.component}/${a.index}`, a.hostId]));
}

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

  it('keeps apart and together by zone', () => {
    const zones = (id: string, zone: string, cpuMillis = 1_000) => host(id, cpuMillis, { zone });
    const snapshot = snapshotOf([zones('h1', 'z1'), zones('h2', 'z1'), zones('h3', 'z2')]);
    const apart: Constraint = { kind: 'apart-within', level: 'zone', serviceId, component: 'a', most: 1 };
    const three = { vees: [vee('a', 0), vee('a', 1), vee('a', 2)], constraints: [apart] };
    const two = placed(snapshot, { ...three, vees: three.vees.slice(1) });
    expect(Object.values(two)).toContain('h3');
    const answer = plan(snapshot, three, packing, context);
    expect(answer.kind === 'infeasible' && refusalSummary(answer)).toMatch(
      /h1: apart-within\(a\) by zone: a \(vee-a-\d\) is there; h2: .* is there; h3: .* is there/,
    );
  });

  it('lets so many be together, counting what is there and what must come along', () => {
    const there = (component: string, n: number, hostId: string) => ({
      id: `vee-${component}-${n}` as VeeId,
      tenantId,
      serviceId,
      component,
      hostId: hostId as HostId,
    });
    const snapshot: Snapshot = {
      ...snapshotOf([host('h1', 1_000), host('h2', 1_000)]),
      vees: [there('a', 8, 'h1'), there('a', 9, 'h1')],
    };
    const two = { vees: [vee('a', 0), vee('a', 1)], constraints: [within('a', 2)] };
    expect(placed(snapshot, two)).toEqual({ 'a/0': 'h2', 'a/1': 'h2' });
    const three = plan(snapshot, { ...two, vees: [...two.vees, vee('a', 2)] }, packing, context);
    expect(three.kind === 'infeasible' && refusalSummary(three)).toMatch(
      /h1: apart-within\(a, at most 2\): 2 are there; h2: .*: 2 are there/,
    );
    const tied: Constraint = { kind: 'together', level: 'host', serviceId, components: ['a', 'b'] };
    const bound = { vees: [vee('a', 0), vee('a', 1), vee('b', 0)], constraints: [within('a', 2), tied] };
    expect(Object.values(placed(snapshotOf(snapshot.hosts as SnapshotHost[]), bound))).toHaveLength(3);
    const tooMany = { ...bound, constraints: [within('a', 1), tied] };
    expect(plan(snapshotOf(snapshot.hosts as SnapshotHost[]), tooMany, packing, context).kind).toBe(
      'infeasible',
    );
  });

  it('gathers by zone where all have room, whatever the first alone would choose', () => {
    const together: Constraint = { kind: 'together', level: 'zone', serviceId, components: ['a'] };
    // The tightest fit for one is in z0, where there is no room for a second.
    const hosts = [
      host('small', 110, { zone: 'z0' }),
      ...Array.from({ length: 40 }, (_, i) => host(`h${i}`, 120, { zone: i < 39 ? 'z1' : 'z2' })),
    ];
    const vees = Array.from({ length: 30 }, (_, i) => vee('a', i));
    const where = placed(snapshotOf(hosts), { vees, constraints: [together] });
    expect(new Set(Object.values(where)).size).toBe(30);
    expect(Object.values(where)).not.toContain('h39');
  });

  it('binds nothing to a zone that is lost', () => {
    const together: Constraint = { kind: 'together', level: 'zone', serviceId, components: ['a'] };
    const lost = { zone: 'z1', liveness: 'lost' as const };
    const hosts = [
      host('h1', 1_000, lost),
      host('h2', 1_000, lost),
      host('h3', 1_000, { zone: 'z2' }),
      host('h4', 1_000, { zone: 'z3' }),
    ];
    const at = (n: number, hostId: string) => ({ id: `vee-a-${n}` as VeeId, hostId: hostId as HostId });
    const there = (all: { id: VeeId; hostId: HostId }[]): Snapshot => ({
      ...snapshotOf(hosts),
      vees: all.map((v) => ({ ...v, tenantId, serviceId, component: 'a' })),
    });
    const away = (n: number, from: string) => ({
      vees: [{ ...vee('a', n), moving: { from: from as HostId, away: true } }],
      constraints: [together],
    });
    const first = placed(there([at(0, 'h1'), at(1, 'h2')]), away(0, 'h1'))['a/0'] ?? '';
    expect(['h3', 'h4']).toContain(first);
    // What runs waits for what is lost, rather than leave it: it may come back.
    const runs = there([at(0, 'h1'), at(1, 'h3')]);
    expect(plan(runs, away(1, 'h3'), packing, context).kind).toBe('infeasible');
    const scaled = { vees: [vee('a', 7)], constraints: [together] };
    expect(plan(there([at(0, 'h1')]), scaled, packing, context).kind).toBe('infeasible');
    expect(placed(runs, scaled)).toEqual({ 'a/7': 'h3' });
    // Those that follow come to where the first is.
    expect(placed(there([at(0, first), at(1, 'h2')]), away(1, 'h2'))).toEqual({ 'a/1': first });
  });

  it('moves what is tied to a zone out of it all together, or not at all', () => {
    const together: Constraint = { kind: 'together', level: 'zone', serviceId, components: ['a'] };
    const moving = (n: number, from: string) => ({
      ...vee('a', n),
      moving: { from: from as HostId, away: true },
    });
    const at = (n: number, hostId: string) => ({
      id: `vee-a-${n}` as VeeId,
      tenantId,
      serviceId,
      component: 'a',
      hostId: hostId as HostId,
    });
    const hosts = [
      host('h1', 1_000, { zone: 'z1' }),
      host('h2', 150, { zone: 'z2' }),
      host('h3', 250, { zone: 'z3' }),
    ];
    const snapshot: Snapshot = { ...snapshotOf(hosts), vees: [at(0, 'h1'), at(1, 'h1')] };
    const both = { vees: [moving(0, 'h1'), moving(1, 'h1')], constraints: [together] };
    expect(placed(snapshot, both)).toEqual({ 'a/0': 'h3', 'a/1': 'h3' });
    const one = plan(snapshot, { ...both, vees: [moving(0, 'h1')] }, packing, context);
    expect(one.kind === 'infeasible' && refusalSummary(one)).toContain('a (vee-a-1) is on h1');
    const small: Snapshot = { ...snapshot, hosts: hosts.slice(0, 2) };
    expect(planPartially(small, both, packing, context)).toMatchObject({ left: [{}, {}] });
  });

  it('joins what is apart already where most of it is', () => {
    const together: Constraint = { kind: 'together', level: 'zone', serviceId, components: ['a'] };
    const hosts = ['h1', 'h2', 'h3'].map((id, i) => host(id, 1_000, { zone: `z${i}` }));
    const at = (n: number, hostId: string) => ({
      id: `vee-a-${n}` as VeeId,
      tenantId,
      serviceId,
      component: 'a',
      hostId: hostId as HostId,
    });
    const split: Snapshot = { ...snapshotOf(hosts), vees: [at(0, 'h1'), at(1, 'h2'), at(2, 'h2')] };
    expect(placed(split, { vees: [vee('a', 3)], constraints: [together] })).toEqual({ 'a/3': 'h2' });
    const stray = { ...vee('a', 0), moving: { from: 'h1' as HostId, away: true } };
    expect(placed(split, { vees: [stray], constraints: [together] })).toEqual({ 'a/0': 'h2' });
  });

  it('counts one that moves within its zone once', () => {
    const hosts = [host('h1', 1_000, { zone: 'z1' }), host('h2', 1_000, { zone: 'z1' })];
    const at = (n: number) => ({ id: `vee-a-${n}` as VeeId, tenantId, serviceId, component: 'a' });
    const snapshot: Snapshot = {
      ...snapshotOf(hosts),
      vees: [0, 1].map((n) => ({ ...at(n), hostId: 'h1' as HostId })),
    };
    const away = { from: 'h1' as HostId, away: true };
    const request = {
      vees: [0, 1].map((n) => ({ ...vee('a', n), moving: away })),
      constraints: [within('a', 2, 'zone')],
    };
    expect(placed(snapshot, request)).toEqual({ 'a/0': 'h2', 'a/1': 'h2' });
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
      { numRuns: 2_000 },
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
      { numRuns: 200 },
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
