import fc from 'fast-check';
import type { HostId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import { Board, unitsOf } from '../../domain/placement/feasibility';
import type { Constraint, PlacedVee, RequestedVee, SnapshotHost } from '../../domain/placement/model';
import { BUCKETS, Buckets } from '../../domain/placement/online/buckets';
import { Counters } from '../../domain/placement/online/counters';
import { OnlineSite } from '../../domain/placement/online/online-site';
import { NOWHERE } from '../../domain/placement/online/rule-counts';
import { apartnessOf } from '../../domain/placement/tenancy';
import { add, type Capacity, ZERO } from '../../domain/units';
import { host } from '../support/placement';

const SERVICES = 3;
const serviceOf = (n: number) => `svc-${n}` as ServiceId;
/** Of three services each has a tenant, of whom the first two are competitors. */
const tenantOf = (n: number) => `t-${n}` as TenantId;
const apart = apartnessOf([{ id: tenantOf(0), apartFrom: [tenantOf(1)] }]);

const level = fc.constantFrom('host' as const, 'zone' as const);
const component = fc.constantFrom('app', 'db');
/** One of each kind for a service; `together` by itself, as two of them may contradict each other. */
const ruleOf = (serviceId: ServiceId): fc.Arbitrary<Constraint> =>
  fc.oneof(
    fc.record({
      ...{ kind: fc.constant('apart-within' as const), serviceId: fc.constant(serviceId), level, component },
      most: fc.integer({ min: 1, max: 3 }),
    }),
    fc.record({
      ...{ kind: fc.constant('apart-between' as const), serviceId: fc.constant(serviceId), level },
      components: fc.constant(['app', 'db']),
    }),
    fc.record({
      ...{ kind: fc.constant('together' as const), serviceId: fc.constant(serviceId), level },
      components: fc.constantFrom(['app'], ['db'], ['app', 'db']),
    }),
    fc.record({
      ...{ kind: fc.constant('spread' as const), serviceId: fc.constant(serviceId), component },
      ...{ level: fc.constant('zone' as const), maxSkew: fc.integer({ min: 1, max: 2 }) },
    }),
    fc.record({
      ...{ kind: fc.constant('assignment' as const), serviceId: fc.constant(serviceId), component },
      labels: fc.constantFrom({}, { disk: 'ssd' }),
      denyHosts: fc.subarray(['h0', 'h1', 'h2']),
    }),
    fc.record({
      ...{ kind: fc.constant('requirement' as const), serviceId: fc.constant(serviceId), component },
      expression: fc.constantFrom('"disk" in host.labels', 'host.id != "h3"'),
    }),
  );

const site = fc.record({
  hosts: fc.array(
    fc.record({
      cpu: fc.integer({ min: 100, max: 1_000 }),
      zone: fc.constantFrom('a', 'b', 'c'),
      ssd: fc.boolean(),
      state: fc.constantFrom('up', 'up', 'up', 'cordoned', 'lost'),
    }),
    { minLength: 1, maxLength: 7 },
  ),
  rules: fc.tuple(
    ...Array.from({ length: SERVICES }, (_, n) => fc.array(ruleOf(serviceOf(n)), { maxLength: 2 })),
  ),
  takes: fc.constantFrom('tightest' as const, 'emptiest' as const),
  steps: fc.array(
    fc.record({
      service: fc.nat(SERVICES - 1),
      component,
      cpu: fc.integer({ min: 1, max: 400 }),
      leaves: fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat(30) }),
    }),
    { minLength: 10, maxLength: 30 },
  ),
});

const place = (site: OnlineSite, kind: number, shape: number): number => {
  const host = site.find(kind, shape);
  return host === NOWHERE ? NOWHERE : site.put(kind, shape, host);
};

/** Of each dimension some need nothing. */
const needOf = (cpuMillis: number): Capacity => ({
  ...{ cpuMillis: cpuMillis % 7 === 0 ? 0 : cpuMillis, memoryMiB: cpuMillis % 3 === 0 ? 0 : 10 * cpuMillis },
  ...{ diskMiB: cpuMillis % 2 === 0 ? 0 : 20 * cpuMillis, bandwidthKbps: 0 },
});

describe('a site in typed arrays', () => {
  it('lets hosts take what a plan lets them take, whatever came and went before', () => {
    const seen = { taken: 0, refused: 0 };
    fc.assert(
      fc.property(site, ({ hosts: drawn, rules, takes, steps }) => {
        const hosts = drawn.map(({ cpu, zone, ssd, state }, n) =>
          host(`h${n}`, cpu, {
            ...{ zone, labels: ssd ? { disk: 'ssd' } : {}, cordoned: state === 'cordoned' },
            liveness: state === 'lost' ? 'lost' : 'up',
          }),
        );
        const online = new OnlineSite(hosts, takes, apart);
        const living: { vee: number; placed: PlacedVee; need: Capacity }[] = [];
        for (const [n, step] of steps.entries()) {
          if (step.leaves !== null) {
            const [gone] = living.splice(step.leaves % Math.max(1, living.length), 1);
            if (gone) online.take(gone.vee);
            continue;
          }
          const constraints = rules[step.service] ?? [];
          const need = needOf(step.cpu);
          const requested: RequestedVee = {
            ...{ id: `v${n}` as VeeId, tenantId: tenantOf(step.service), serviceId: serviceOf(step.service) },
            ...{ component: step.component, index: n, need, image: 'busybox' },
          };
          const kind = online.kindOf({ ...requested, constraints });
          const shape = online.rooms.shapeOf(need);
          const able = ableByPlan(hosts, living, [requested], constraints);
          expect(hosts.map((_, h) => online.canTake(kind, shape, h))).toEqual(able);
          const vee = place(online, kind, shape);
          if (vee === NOWHERE) {
            expect(able).not.toContain(true);
            seen.refused++;
            continue;
          }
          const at = online.vees.host(vee);
          expect(able[at]).toBe(true);
          const { id, tenantId, serviceId, component: of } = requested;
          living.push({
            ...{ vee, need },
            placed: { id, tenantId, serviceId, component: of, hostId: hosts[at]?.id as HostId },
          });
          seen.taken++;
        }
      }),
      { numRuns: 500 },
    );
    // Neither is the rare case.
    expect(seen.taken).toBeGreaterThan(500);
    expect(seen.refused).toBeGreaterThan(500);
  });

  it('lets hosts take what goes together as a plan does', () => {
    const seen = { taken: 0, refused: 0 };
    const unit = fc.array(fc.record({ component, cpu: fc.integer({ min: 1, max: 200 }) }), {
      ...{ minLength: 2, maxLength: 4 },
    });
    fc.assert(
      fc.property(site, fc.array(unit, { maxLength: 3 }), ({ hosts: drawn, rules }, units) => {
        const hosts = drawn.map(({ cpu, zone, ssd, state }, n) =>
          host(`h${n}`, cpu, {
            ...{ zone, labels: ssd ? { disk: 'ssd' } : {}, cordoned: state === 'cordoned' },
            liveness: state === 'lost' ? 'lost' : 'up',
          }),
        );
        const online = new OnlineSite(hosts, 'tightest', apart);
        const living: { placed: PlacedVee; need: Capacity }[] = [];
        for (const [service, members] of units.entries()) {
          const serviceId = serviceOf(service);
          const tie: Constraint = { kind: 'together', level: 'host', serviceId, components: ['app', 'db'] };
          const constraints = [...(rules[service] ?? []), tie];
          const vees = members.map(({ component: of, cpu }, n): RequestedVee => {
            const id = `v${service}-${n}` as VeeId;
            return {
              ...{ id, tenantId: tenantOf(service), serviceId, component: of, index: n },
              ...{ need: needOf(cpu), image: 'busybox' },
            };
          });
          const numbered = vees.map((v) => ({
            ...{ kind: online.kindOf({ ...v, constraints }), shape: online.rooms.shapeOf(v.need) },
          }));
          const able = ableByPlan(hosts, living, vees, constraints);
          expect(hosts.map((_, h) => online.canTakeAll(numbered, h))).toEqual(able);
          const at = online.findForAll(numbered, service);
          expect(at === NOWHERE).toBe(!able.includes(true));
          seen[at === NOWHERE ? 'refused' : 'taken']++;
          if (at === NOWHERE) continue;
          for (const { kind, shape } of numbered) online.put(kind, shape, at);
          for (const v of vees)
            living.push({ placed: { ...v, hostId: hosts[at]?.id as HostId }, need: v.need });
        }
      }),
      { numRuns: 500 },
    );
    expect(seen.taken).toBeGreaterThan(100);
    expect(seen.refused).toBeGreaterThan(100);
  });

  it('knows rules apart that differ by a label of any name', () => {
    const labels = ['db', 'web'].map((component) => ({ component }));
    const site = new OnlineSite(
      labels.map((of, n) => host(`h${n}`, 1_000, { labels: of })),
      'tightest',
    );
    const serviceId = serviceOf(0);
    const hosts = ['db', 'web'].map((component) => {
      const rule: Constraint = {
        ...{ kind: 'assignment', serviceId, component, labels: { component }, denyHosts: [] },
      };
      const kind = site.kindOf({
        ...{ tenantId: tenantOf(0), serviceId, component, image: 'busybox', constraints: [rule] },
      });
      return site.find(kind, site.rooms.shapeOf(needOf(1)));
    });
    expect(hosts).toEqual([0, 1]);
  });

  it('takes the tightest or the emptiest where there are few to choose from', () => {
    const hosts = [300, 1_000, 600].map((cpu, n) => host(`h${n}`, cpu));
    const online = (takes: 'tightest' | 'emptiest') => {
      const site = new OnlineSite(hosts, takes);
      const kind = site.kindOf({
        ...{ tenantId: tenantOf(0), serviceId: serviceOf(0), component: 'app', image: 'busybox' },
        constraints: [],
      });
      return site.vees.host(place(site, kind, site.rooms.shapeOf(needOf(250))));
    };
    expect(online('tightest')).toBe(0);
    expect(online('emptiest')).toBe(1);
  });

  it('puts nothing on a host that is closed, and again once it is open', () => {
    const site = new OnlineSite([host('h0', 1_000)], 'tightest');
    const kind = site.kindOf({
      ...{ tenantId: tenantOf(0), serviceId: serviceOf(0), component: 'app', image: 'busybox' },
      constraints: [],
    });
    site.closeHost(0);
    expect(place(site, kind, site.rooms.shapeOf(needOf(1)))).toBe(NOWHERE);
    site.openHost(0);
    expect(site.vees.host(place(site, kind, site.rooms.shapeOf(needOf(1))))).toBe(0);
  });
});

/** By the board of a planner, from nothing. */
function ableByPlan(
  hosts: readonly SnapshotHost[],
  living: readonly { readonly placed: PlacedVee; readonly need: Capacity }[],
  vees: readonly RequestedVee[],
  constraints: readonly Constraint[],
): boolean[] {
  const filled = hosts.map((h) => ({
    ...h,
    reserved: living.filter((l) => l.placed.hostId === h.id).reduce((sum, l) => add(sum, l.need), ZERO),
  }));
  const request = { vees, constraints };
  const board = new Board({ at: 0, hosts: filled, vees: living.map((l) => l.placed), apart }, request);
  const [unit] = unitsOf(request);
  return filled.map((h) => unit !== undefined && board.refusals(unit, h).length === 0);
}

describe('what it is made of', () => {
  it('counts as a map of maps would', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(60), fc.nat(60), fc.constantFrom(1, 1, -1)), { maxLength: 3_000 }),
        (changes) => {
          const counters = new Counters();
          const expected = new Map<string, number>();
          for (const [what, place, by] of changes) {
            counters.add(what, place, by);
            expected.set(`${what} ${place}`, (expected.get(`${what} ${place}`) ?? 0) + by);
          }
          for (let what = 0; what <= 60; what += 7)
            for (let place = 0; place <= 60; place++)
              expect(counters.get(what, place)).toBe(expected.get(`${what} ${place}`) ?? 0);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('finds each host in the list of its group and its bucket', () => {
    const [HOSTS, GROUPS] = [40, 35];
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(HOSTS - 1), fc.option(fc.double({ min: 0, max: 1.2, noNaN: true })))),
        (steps) => {
          const buckets = new Buckets(HOSTS, GROUPS);
          const lists = new Map<number, string>();
          for (const [h, load] of steps) {
            if (load === null) buckets.leave(h);
            else buckets.enter(h, h % GROUPS, load);
            if (load === null) lists.delete(h);
            else lists.set(h, `${h % GROUPS} ${Math.min(BUCKETS - 1, Math.floor(load * BUCKETS))}`);
          }
          const found = new Map<number, string>();
          for (let bucket = 0; bucket < BUCKETS; bucket++)
            for (let group = 0; group < GROUPS; group++) {
              const any = (buckets.groupsIn(bucket, group >>> 5) & (1 << (group & 31))) !== 0;
              if (any !== buckets.first(group, bucket) >= 0) throw new Error(`${group} ${bucket}: ${any}`);
              for (let h = buckets.first(group, bucket); h >= 0; h = buckets.next(h))
                found.set(h, `${group} ${bucket}`);
            }
          expect([...found].sort()).toEqual([...lists].sort());
        },
      ),
    );
  });
});
