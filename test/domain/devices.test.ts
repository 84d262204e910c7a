import fc from 'fast-check';
import type { HostId } from '../../domain/ids';
import { solveBySearch } from '../../domain/placement/by-search';
import { solveExactly } from '../../domain/placement/exact';
import { unitsOf } from '../../domain/placement/feasibility';
import type { SnapshotHost } from '../../domain/placement/model';
import { OnlineSite } from '../../domain/placement/online/online-site';
import { Rooms } from '../../domain/placement/online/rooms';
import { plan } from '../../domain/placement/plan';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import { remediesFor } from '../../domain/placement/remedies';
import { roomForShape } from '../../domain/placement/room';
import {
  add,
  type Capacity,
  differences,
  dimensionsOf,
  dominantShare,
  fits,
  nameOf,
  sameCapacity,
  shortages,
  subtract,
  ZERO,
} from '../../domain/units';
import { context, host, packing, placed, snapshotOf, vee } from '../support/placement';

type Counts = Record<string, number>;
// The last is a name that every object has something under.
const NAMES = ['gpu', 'gpu-a100', 'constructor'];
const of = (devices: Counts | undefined, name: string): number =>
  Object.entries(devices ?? {}).find(([n]) => n === name)?.[1] ?? 0;
const counts = fc.dictionary(fc.constantFrom(...NAMES), fc.integer({ min: 1, max: 4 }));
const few = fc.dictionary(fc.constantFrom(...NAMES), fc.integer({ min: 1, max: 2 }), { maxKeys: 1 });
const with_ = (cpuMillis: number, devices: Counts): Capacity => ({ ...ZERO, cpuMillis, devices });
const gpuHost = (id: string, devices: Counts, overrides: Partial<SnapshotHost> = {}) => {
  const plain = host(id, 4_000);
  return { ...plain, capacity: { ...plain.capacity, devices }, ...overrides };
};
const gpuVee = (component: string, index: number, devices: Counts) => {
  const plain = vee(component, index);
  return { ...plain, need: { ...plain.need, devices } };
};

describe('capacities with devices', () => {
  it('has them among its dimensions, after the four', () => {
    expect(dimensionsOf(ZERO)).toHaveLength(4);
    const all = dimensionsOf(with_(0, { tpu: 1 }), ZERO, with_(0, { gpu: 1 }));
    expect(all.slice(4)).toEqual(['device:gpu', 'device:tpu']);
    expect(all.map(nameOf)).toEqual(['CPU', 'memory', 'disk', 'bandwidth', 'gpu', 'tpu']);
  });

  it('adds, takes off and compares them by name; what is not named there is none of', () => {
    fc.assert(
      fc.property(counts, counts, (a, b) => {
        const [x, y] = [with_(1, a), with_(2, b)];
        for (const name of NAMES) {
          const sum = of(a, name) + of(b, name);
          expect(of(add(x, y).devices, name)).toBe(sum);
        }
        expect(sameCapacity(subtract(add(x, y), y), x)).toBe(true);
        expect(differences(x, with_(1, a))).toEqual([]);
        const enough = NAMES.every((name) => of(b, name) <= of(a, name));
        expect(fits({ ...x, cpuMillis: 2 }, y)).toBe(enough);
        expect(shortages({ ...x, cpuMillis: 2 }, y).length === 0).toBe(enough);
      }),
    );
  });

  it('takes the scarcest device for the share of a host', () => {
    expect(dominantShare(with_(100, { gpu: 1 }), with_(1_000, { gpu: 2, tpu: 9 }))).toBe(0.5);
    expect(dominantShare(with_(900, { gpu: 1 }), with_(1_000, { gpu: 2 }))).toBe(0.9);
  });
});

describe('VEEs that need devices', () => {
  it('go where there are any, and are refused in so many words', () => {
    const snapshot = snapshotOf([host('plain', 4_000), gpuHost('rich', { gpu: 2 })]);
    expect(placed(snapshot, { vees: [gpuVee('a', 0, { gpu: 2 })], constraints: [] })).toEqual({
      'a/0': 'rich',
    });
    const tooMany = { vees: [gpuVee('a', 0, { gpu: 2 }), gpuVee('a', 1, { gpu: 1 })], constraints: [] };
    const answer = plan(snapshot, tooMany, packing, context);
    expect(answer.kind === 'infeasible' && refusalSummary(answer)).toContain('rich: gpu 1 needed, 0 free');
    const question = { snapshot, request: tooMany, policy: packing, context };
    expect(remediesFor(question).map((r) => r.if)).toContain('with only 1 of the 2 new VEEs of a');
  });

  it('are told once of a device that no host has', () => {
    const vees = [gpuVee('a', 0, { gpuu: 1 })];
    const told = (hosts: SnapshotHost[]) => {
      const answer = plan(snapshotOf(hosts), { vees, constraints: [] }, packing, context);
      return answer.kind === 'infeasible' && refusalSummary(answer);
    };
    const some = [host('plain', 4_000), gpuHost('rich', { tpu: 1, gpu: 2 })];
    expect(told(some)).toMatch(/a\/0\. no host of the site has a device gpuu; there are: gpu, tpu\.$/);
    expect(told([host('plain', 4_000)])).toContain('gpuu; there are none of any name');
  });

  it.each(['packing', 'striping', 'weighted', 'latency'])(
    'go by %s where the fewest remain, so that those that need many find them, as long as hosts are about as full',
    (name) => {
      const one = { reserved: { ...ZERO, devices: { gpu: 1 } } };
      const busy = { reserved: { ...ZERO, cpuMillis: 2_000 } };
      const to = (...hosts: SnapshotHost[]) =>
        placed(snapshotOf(hosts), { vees: [gpuVee('a', 0, { gpu: 1 })], constraints: [] }, { name })['a/0'];
      expect(to(gpuHost('b', { gpu: 4 }), gpuHost('a', { gpu: 4 }, one))).toBe('a');
      expect(to(gpuHost('a', { gpu: 4 }, one), gpuHost('b', { gpu: 4 }))).toBe('a');
      expect(to(gpuHost('a', { gpu: 8 }, one), gpuHost('b', { gpu: 2 }))).toBe('b');
      expect(to(gpuHost('b', { gpu: 2 }), gpuHost('a', { gpu: 8 }, one))).toBe('b');
      if (name === 'striping') expect(to(gpuHost('a', { gpu: 1 }, busy), gpuHost('b', { gpu: 8 }))).toBe('b');
    },
  );

  it('do not make a host full that has none of what they need', () => {
    const half = { reserved: { ...ZERO, cpuMillis: 2_000 } };
    const rooms = new Rooms([host('plain', 4_000), gpuHost('rich', { gpu: 2 }, half)]);
    expect([rooms.loadOf(0), rooms.loadOf(1)]).toEqual([0, 0.5]);
    const shape = rooms.shapeOf(with_(1_000, {}));
    expect([rooms.loadWith(shape, 0), rooms.loadWith(shape, 1)]).toEqual([0.25, 0.75]);
  });

  it.each(['packing', 'striping'])(
    'leave hosts with devices to them by %s, as long as others are about as full',
    (name) => {
      const snapshot = snapshotOf([gpuHost('rich', { gpu: 2 }), host('plain', 4_000)]);
      const plain = { vees: [vee('a', 0), vee('a', 1)], constraints: [] };
      expect(placed(snapshot, plain, { name })).toEqual({ 'a/0': 'plain', 'a/1': 'plain' });
      const taken = { ...ZERO, devices: { gpu: 2 } };
      const full = snapshotOf([gpuHost('rich', { gpu: 2 }, { reserved: taken }), host('plain', 4_000)]);
      // None is left there: nothing to leave alone.
      const then = placed(full, { vees: [vee('a', 0), vee('b', 0)], constraints: [] }, { name: 'striping' });
      expect(new Set(Object.values(then)).size).toBe(2);
    },
  );

  it('are counted by how many more fit', () => {
    const snapshot = snapshotOf([gpuHost('rich', { gpu: 3 }), host('plain', 4_000)]);
    const room = roomForShape(snapshot, { need: with_(100, { gpu: 2 }), labels: {} });
    expect(room.fits).toBe(1);
    expect(room.hosts).toEqual([
      { hostId: 'rich', fits: 1, because: 'gpu' },
      { hostId: 'plain', fits: 0, because: 'the host as a whole is too small' },
    ]);
  });

  it('never get more than there are, whoever looks for their places', () => {
    const site = fc.record({
      hosts: fc.array(counts, { minLength: 1, maxLength: 4 }),
      vees: fc.array(few, { minLength: 1, maxLength: 7 }),
    });
    let found = 0;
    fc.assert(
      fc.property(site, fc.constantFrom('packing', 'striping'), (given, name) => {
        const hosts = given.hosts.map((devices, h) => gpuHost(`h${h}`, devices));
        const vees = given.vees.map((devices, v) => gpuVee('a', v, devices));
        const request = { vees, constraints: [] };
        const within = (hostOf: (v: number) => HostId | undefined) => {
          found++;
          for (const [h, { id }] of hosts.entries())
            for (const device of NAMES) {
              const held = vees.reduce(
                (n, v, i) => n + (hostOf(i) === id ? of(v.need.devices, device) : 0),
                0,
              );
              expect(held).toBeLessThanOrEqual(of(given.hosts[h], device));
            }
        };
        const snapshot = snapshotOf(hosts);
        const answer = plan(snapshot, request, { name }, context);
        if (answer.kind === 'blueprint') {
          const at = new Map(answer.assignments.map((a) => [a.veeId, a.hostId]));
          within((v) => at.get(vees[v]?.id ?? ('' as never)));
        }
        const units = unitsOf(request);
        for (const solved of [
          solveExactly(snapshot, request, units),
          solveBySearch(snapshot, request, units, 's'),
        ])
          if (solved.kind === 'placed') within((v) => solved.hostOfUnit[v]);
        // The typed arrays take the same for themselves, one by one.
        const online = new OnlineSite(hosts, 'tightest');
        const { tenantId, serviceId, component, image } = vee('a', 0);
        const kind = online.kindOf({ tenantId, serviceId, component, image, constraints: [] });
        const all = new Set(given.hosts.flatMap((d) => Object.keys(d)));
        const at = vees.map((v) => {
          if (Object.keys(v.need.devices).some((d) => !all.has(d))) return undefined;
          const shape = online.rooms.shapeOf(v.need);
          const to = online.find(kind, shape);
          const able = hosts.some((_, h) => online.canTake(kind, shape, h));
          expect(to >= 0).toBe(able);
          if (to < 0) return undefined;
          online.put(kind, shape, to);
          return hosts[to]?.id;
        });
        within((v) => at[v]);
      }),
      { numRuns: 150 },
    );
    expect(found).toBeGreaterThan(200);
  });
});
