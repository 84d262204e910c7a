import fc from 'fast-check';
import { groupBy } from '../../domain/group-by';
import type { HostId, VeeId } from '../../domain/ids';
import { preferencesOf } from '../../domain/placement/constraints';
import {
  type Constraint,
  type HostVerdict,
  type PlacedVee,
  type Preference,
  type Snapshot,
  weightOf,
} from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import { refusalSummary } from '../../domain/placement/refusal-summary';
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

const soft = (constraint: Constraint, weight = 1): Preference => ({ constraint, weight });
const together = (...components: string[]): Constraint => ({
  ...{ kind: 'together', level: 'host', serviceId, components },
});
const spread = (component: string, maxSkew = 1): Constraint => ({
  ...{ kind: 'spread', level: 'zone', serviceId, component, maxSkew },
});
const labelled = (component: string, labels: Record<string, string>): Constraint => ({
  ...{ kind: 'assignment', serviceId, component, labels, denyHosts: [] },
});
const members = (n: number, component = 'app') => Array.from({ length: n }, (_, i) => vee(component, i));
/** One host in each of so many zones. */
const zones = (n: number, cpuMillis = 1_000) =>
  snapshotOf(Array.from({ length: n }, (_, i) => host(`h${i + 1}`, cpuMillis, { zone: `z${i + 1}` })));
const loads = (where: Record<string, string>) =>
  [...groupBy(Object.values(where), (h) => h).values()].map((of) => of.length).sort();

describe('what is preferred', () => {
  it('is kept where it can be, and given up where it can not', () => {
    const request = (n: number) => ({
      vees: members(n),
      constraints: [],
      preferences: [soft(within('app'))],
    });
    expect(loads(placed(zones(2), request(2)))).toEqual([1, 1]);
    expect(loads(placed(zones(2), request(3)))).toEqual([1, 2]);
    const strict = plan(zones(2), { vees: members(3), constraints: [within('app')] }, packing, context);
    expect(strict.kind).toBe('infeasible');
  });

  it('goes before the policy, and the policy decides among what keeps it alike', () => {
    const snapshot = snapshotOf([
      host('ssd-full', 1_000, {
        labels: { disk: 'ssd' },
        reserved: { cpuMillis: 800, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 },
      }),
      host('ssd-free', 1_000, { labels: { disk: 'ssd' } }),
      host('plain', 4_000),
    ]);
    const request = {
      vees: members(1),
      constraints: [],
      preferences: [soft(labelled('app', { disk: 'ssd' }))],
    };
    expect(placed(snapshot, request, { name: 'striping' })).toEqual({ 'app/0': 'ssd-free' });
    expect(placed(snapshot, request)).toEqual({ 'app/0': 'ssd-full' });
  });

  it('gives way to what weighs more', () => {
    const request = (apart: number) => ({
      vees: [vee('db', 0), vee('app', 0)],
      constraints: [],
      preferences: [
        soft(together('db', 'app'), 10),
        soft({ kind: 'apart-between', level: 'host', serviceId, components: ['db', 'app'] }, apart),
      ],
    });
    expect(loads(placed(zones(2), request(9)))).toEqual([2]);
    expect(loads(placed(zones(2), request(11)))).toEqual([1, 1]);
  });

  it('is told where it is not kept', () => {
    const request = { vees: members(3), constraints: [], preferences: [soft(within('app'), 7)] };
    const answer = plan(zones(2), request, packing, context);
    if (answer.kind !== 'blueprint') throw new Error('infeasible');
    const [first, second, third] = answer.assignments;
    expect(first?.because).toBe('the tightest fit of the 2 hosts that can take it');
    expect(second?.because).toBe('the only one of the 2 hosts that can take it that keeps what is preferred');
    expect(third?.because).toMatch(
      /^the tightest fit of the 2 hosts that can take it \(not kept: antiAffinity\(within app\), as another of this request, app, is there\)$/,
    );
    expect(third?.verdicts.map(weightOf)).toEqual([7, 7]);
  });

  it('comes from the rules of a manifest that have a weight', () => {
    const placement = {
      affinity: [{ together: ['db', 'app'], level: 'zone', weight: 3 }],
      antiAffinity: [{ within: 'app', level: 'host' }],
      assignment: [],
      spread: [{ component: 'app', maxSkew: 2, weight: 5 }],
    };
    const found = preferencesOf({ components: [], placement } as never, serviceId);
    expect(found.map((p) => [p.constraint.kind, p.weight])).toEqual([
      ['together', 3],
      ['spread', 5],
    ]);
  });
});

describe('what is spread over zones', () => {
  it.each([
    [3, 5, [1, 2, 2]],
    [2, 5, [2, 3]],
    [1, 5, [5]],
  ])('is even to one: over %i zones %i of them', (count, n, expected) => {
    expect(loads(placed(zones(count), { vees: members(n), constraints: [spread('app')] }))).toEqual(expected);
  });

  it('may be as uneven as it says, and is refused beyond that', () => {
    const hosts = [host('big', 2_000, { zone: 'z1' }), host('small', 100, { zone: 'z2' })];
    const ask = (n: number, maxSkew: number) =>
      plan(snapshotOf(hosts), { vees: members(n), constraints: [spread('app', maxSkew)] }, packing, context);
    expect(ask(3, 1).kind).toBe('blueprint');
    const refused = ask(4, 1);
    expect(refused.kind === 'infeasible' && refusalSummary(refused)).toContain(
      'zone z1 would have 3 of them, and another one has 1',
    );
    expect(ask(4, 2).kind).toBe('blueprint');
    const preferred = { vees: members(9), constraints: [], preferences: [soft(spread('app'))] };
    expect(loads(placed(snapshotOf(hosts), preferred))).toEqual([1, 8]);
  });

  it('has room kept in each zone by what is larger', () => {
    const hosts = [
      host('a', 500, { zone: 'z1' }),
      host('b', 100, { zone: 'z1' }),
      host('c', 300, { zone: 'z2' }),
    ];
    const request = { vees: [...members(2), vee('db', 0, 300)], constraints: [spread('app')] };
    const zoneOf = (h: string | undefined) => hosts.find((x) => x.id === h)?.zone;
    const where = placed(snapshotOf(hosts), request);
    expect(new Set([zoneOf(where['app/0']), zoneOf(where['app/1'])])).toEqual(new Set(['z1', 'z2']));
  });

  it('does not wait for zones where none could be', () => {
    const hosts = [
      host('a', 1_000, { zone: 'z1' }),
      host('b', 1_000, { zone: 'z2' }),
      host('closed', 1_000, { zone: 'z3', cordoned: true }),
      host('other', 1_000, { zone: 'z4', images: [] }),
    ];
    expect(loads(placed(snapshotOf(hosts), { vees: members(6), constraints: [spread('app')] }))).toEqual([
      3, 3,
    ]);
  });

  it('counts what is there, but not what moves', () => {
    const vees = [0, 1, 2].map(
      (n): PlacedVee => ({
        ...{ id: `vee-app-${n}` as VeeId, tenantId, serviceId, component: 'app' },
        hostId: (n === 2 ? 'h2' : 'h1') as HostId,
      }),
    );
    const snapshot: Snapshot = { ...zones(3), vees };
    expect(placed(snapshot, { vees: [vee('app', 3)], constraints: [spread('app')] })).toEqual({
      'app/3': 'h3',
    });
    // The third zone is closed: of two zones, with one of them moving, either will do.
    const two = { ...snapshot, hosts: snapshot.hosts.slice(0, 2) };
    const moving = { ...vee('app', 1), moving: { from: 'h1' as HostId, away: true } };
    expect(placed(two, { vees: [moving], constraints: [spread('app')] })).toEqual({ 'app/1': 'h2' });
  });
});

describe('what is spread and moves', () => {
  const member = (n: number, at: string): PlacedVee => ({
    ...{ id: `vee-app-${n}` as VeeId, tenantId, serviceId, component: 'app', hostId: at as HostId },
  });
  const leaving = (n: number, from: string) => ({
    ...{ ...vee('app', n), moving: { from: from as HostId, away: true } },
  });
  const three = (cpuMillis = 4_000) => [
    host('h1', 4_000, { zone: 'z1' }),
    host('h2', 4_000, { zone: 'z1' }),
    host('h3', cpuMillis, { zone: 'z2' }),
  ];

  it.each([
    [6, 2],
    [8, 2],
    [4, 1],
    [6, 0],
  ])(
    'is never more uneven than before when many leave at once: %i in a zone and %i in the other',
    (near, far) => {
      const vees = [
        ...Array.from({ length: near }, (_, n) => member(n, 'h1')),
        ...Array.from({ length: far }, (_, n) => member(near + n, 'h3')),
      ];
      const request = {
        vees: Array.from({ length: near }, (_, n) => leaving(n, 'h1')),
        constraints: [spread('app')],
      };
      const moved = Object.values(placed({ at: 1, hosts: three(), vees }, request));
      const there = far + moved.filter((h) => h === 'h3').length;
      expect(Math.abs(near + far - 2 * there)).toBeLessThanOrEqual(Math.max(1, near - far));
      // Where its own zone takes no more, they go over until both have as many.
      const full = three().map((h) => (h.id === 'h2' ? { ...h, reserved: h.capacity } : h));
      const half = { ...request, vees: request.vees.slice(0, Math.ceil((near - far) / 2)) };
      const over = Object.values(placed({ at: 1, hosts: full, vees }, half)).length;
      expect(Math.abs(near - far - 2 * over)).toBeLessThanOrEqual(1);
      expect(plan({ at: 1, hosts: full, vees }, request, packing, context).kind).toBe('infeasible');
    },
  );

  it('may go to another host of its zone, however uneven it is', () => {
    const vees = [member(0, 'h1'), member(1, 'h2'), member(2, 'h2'), member(3, 'h3')];
    const snapshot: Snapshot = { at: 1, hosts: three(10), vees };
    expect(placed(snapshot, { vees: [leaving(0, 'h1')], constraints: [spread('app')] })).toEqual({
      'app/0': 'h2',
    });
  });
});

/** What of a preference would not be kept by one more VEE on a host: from its definition, by counting. */
function broken(c: Constraint, component: string, at: string, snapshot: Snapshot): boolean {
  const zoneOf = (h: string) => snapshot.hosts.find((x) => x.id === h)?.zone;
  if (c.kind === 'requirement' || c.kind === 'capable') throw new Error('not drawn here');
  const near = (h: string) =>
    c.kind !== 'assignment' && c.level === 'zone' ? zoneOf(h) === zoneOf(at) : h === at;
  const of = (names: readonly string[]) => snapshot.vees.filter((v) => names.includes(v.component));
  switch (c.kind) {
    case 'assignment': {
      const labels = snapshot.hosts.find((x) => x.id === at)?.labels ?? {};
      return component === c.component && Object.entries(c.labels).some(([k, v]) => labels[k] !== v);
    }
    case 'apart-within':
      return component === c.component && of([component]).filter((v) => near(v.hostId)).length >= c.most;
    case 'apart-between':
      return (
        c.components.includes(component) &&
        of(c.components).some((v) => v.component !== component && near(v.hostId))
      );
    case 'spread': {
      const count = (zone: string | undefined) =>
        of([c.component]).filter((v) => zoneOf(v.hostId) === zone).length;
      const fewest = Math.min(...snapshot.hosts.map((h) => count(h.zone)));
      return component === c.component && count(zoneOf(at)) + 1 - fewest > c.maxSkew;
    }
    case 'together':
      return false;
  }
}

describe('the host that is chosen', () => {
  const rule: fc.Arbitrary<Constraint> = fc.oneof(
    fc
      .record({
        level: fc.constantFrom('host' as const, 'zone' as const),
        most: fc.integer({ min: 1, max: 2 }),
      })
      .map(({ level, most }) => within('app', most, level)),
    fc.constantFrom('host' as const, 'zone' as const).map((level): Constraint => {
      return { kind: 'apart-between', level, serviceId, components: ['app', 'db'] };
    }),
    fc.constantFrom('a', 'b').map((rack) => labelled('app', { rack })),
    fc.integer({ min: 1, max: 2 }).map((maxSkew) => spread('app', maxSkew)),
  );
  const scene = fc.record({
    hosts: fc.array(
      fc.record({ zone: fc.constantFrom('z1', 'z2'), rack: fc.constantFrom('a', 'b'), used: fc.nat(900) }),
      {
        minLength: 1,
        maxLength: 5,
      },
    ),
    there: fc.array(fc.tuple(fc.constantFrom('app', 'db'), fc.nat(4)), { maxLength: 6 }),
    preferences: fc.array(fc.tuple(rule, fc.integer({ min: 1, max: 5 })), { maxLength: 4 }),
  });

  it('leaves the least unmet, by a count that knows nothing of the planner', () => {
    fc.assert(
      fc.property(scene, ({ hosts, there, preferences }) => {
        const made = hosts.map(({ zone, rack, used }, i) =>
          host(`h${i}`, 1_000, {
            ...{ zone, labels: { rack } },
            reserved: { cpuMillis: used, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 },
          }),
        );
        const vees = there.map(([component, n], i): PlacedVee => {
          const hostId = `h${n % hosts.length}` as HostId;
          return { id: `there-${i}` as VeeId, tenantId, serviceId, component, hostId };
        });
        const snapshot: Snapshot = { at: 1, hosts: made, vees };
        const request = {
          vees: members(1),
          constraints: [],
          preferences: preferences.map((p) => soft(...p)),
        };
        const answer = plan(snapshot, request, packing, context);
        if (answer.kind !== 'blueprint') throw new Error('infeasible');
        const { hostId, verdicts } = answer.assignments[0] ?? { hostId: '', verdicts: [] as HostVerdict[] };
        for (const v of verdicts) {
          const unmet = preferences.filter(([c]) => broken(c, 'app', v.hostId, snapshot));
          expect(weightOf(v)).toBe(unmet.reduce((sum, [, weight]) => sum + weight, 0));
        }
        const able = verdicts.filter((v) => v.score !== undefined);
        const chosen = able.find((v) => v.hostId === hostId);
        expect(chosen && weightOf(chosen)).toBe(Math.min(...able.map(weightOf)));
      }),
      { numRuns: 500 },
    );
  });
});
