import fc from 'fast-check';
import type { HostId, LeaseId, SiteId, TenantId } from '../../domain/ids';
import { doubtsOf, relocate } from '../../domain/leases/keep';
import { type Lease, type LeaseShape, promiseOn, stateOfLease } from '../../domain/leases/model';
import { earliestLease, type LeaseSite, placeLease, placeOrSay } from '../../domain/leases/place';
import { endOnLease } from '../../domain/leases/use';
import type { SnapshotHost } from '../../domain/placement/model';
import {
  freeThroughout,
  type HeldStay,
  overPromised,
  type Promised,
  spanOf,
} from '../../domain/placement/promised';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import { type Capacity, fits, subtract, sum } from '../../domain/units';
import { utcText } from '../../domain/utc';
import { host, packing, placed, snapshotOf, tenantId, vee } from '../support/placement';

const size = (cpuMillis: number): Capacity => ({ cpuMillis, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 });
const promiseOf = (id: string, from: number, until: number, cpuMillis: number): Promised => ({
  leaseId: `rsv-${id}` as LeaseId,
  tenantId: 'globex' as TenantId,
  ...{ name: id, from, until, amount: size(cpuMillis) },
});
const shapeOf = (count: number, cpuMillis: number, apart = false): LeaseShape => ({
  ...{ tenantId, count, each: size(cpuMillis), labels: {}, apart },
});

interface World {
  readonly site: LeaseSite;
  readonly shape: LeaseShape;
  readonly millis: number;
}

const AT = 5;
const END = 60;

/** VEEs with and without an end, and promises, such that nothing is too much. Times and sizes are small whole numbers. */
const hostArbitrary = fc
  .record({
    capacity: fc.integer({ min: 1, max: 8 }),
    open: fc.integer({ min: 0, max: 3 }),
    stays: fc.array(
      fc.record({
        size: fc.integer({ min: 1, max: 4 }),
        freeAt: fc.integer({ min: 2, max: 30 }),
        on: fc.boolean(),
      }),
      { maxLength: 3 },
    ),
    promises: fc.array(
      fc.record({
        size: fc.integer({ min: 1, max: 5 }),
        from: fc.integer({ min: 0, max: 25 }),
        millis: fc.integer({ min: 1, max: 12 }),
      }),
      { maxLength: 4 },
    ),
  })
  .map(({ capacity, open, stays, promises }): SnapshotHost => {
    const made = promises.map((p, n) => promiseOf(`${n}`, p.from, p.from + p.millis, p.size));
    const held = stays.map((s, n): HeldStay => {
      const on = s.on ? made[0] : undefined;
      const freeAt = on ? Math.min(s.freeAt, on.until) : s.freeAt;
      return { veeId: `vee-${n}`, amount: size(s.size), freeAt, ...(on ? { leaseId: on.leaseId } : {}) };
    });
    const reserved = size(open + stays.reduce((n, s) => n + s.size, 0));
    return host('host-0', capacity, { reserved, promised: { promises: made, stays: held } });
  })
  .filter((h) => fits(h.capacity, h.reserved) && overPromised(h, AT) === undefined);

const worlds = fc
  .record({
    hosts: fc.array(hostArbitrary, { minLength: 1, maxLength: 3 }),
    count: fc.integer({ min: 1, max: 4 }),
    each: fc.integer({ min: 1, max: 5 }),
    apart: fc.boolean(),
    millis: fc.integer({ min: 1, max: 10 }),
  })
  .map(
    ({ hosts, count, each, apart, millis }): World => ({
      site: { at: AT, hosts: hosts.map((h, n) => ({ ...h, id: `host-${n}` as HostId })), vees: [] },
      shape: shapeOf(count, each, apart),
      millis,
    }),
  );

/** What a host has to give at one instant, counted anew: by whoever knows nothing of how the planner does it. */
function takenNaively({ reserved, promised }: SnapshotHost, t: number): number {
  const { promises = [], stays = [] } = promised ?? {};
  const there = stays.filter(({ freeAt = Infinity }) => t === AT || freeAt <= AT || freeAt > t);
  const open = reserved.cpuMillis - stays.reduce((n, s) => n + s.amount.cpuMillis, 0);
  let taken = open + there.reduce((n, s) => n + s.amount.cpuMillis, 0);
  for (const p of promises) {
    if (t < p.from || t >= p.until) continue;
    const own = there.filter((s) => s.leaseId === p.leaseId).reduce((n, s) => n + s.amount.cpuMillis, 0);
    taken += Math.max(0, p.amount.cpuMillis - own);
  }
  return taken;
}

const freeNaively = (h: SnapshotHost, from: number, until: number): number => {
  let free = Infinity;
  for (let t = from; t < until; t++) free = Math.min(free, h.capacity.cpuMillis - takenNaively(h, t));
  return free;
};

const roomNaively = ({ site, shape }: World, from: number, until: number): number =>
  site.hosts.reduce((n, h) => {
    const many = Math.floor(Math.max(0, freeNaively(h, from, until)) / shape.each.cpuMillis);
    return n + Math.min(many, shape.apart ? 1 : shape.count);
  }, 0);

const withPromise = (h: SnapshotHost, p: Promised): SnapshotHost => ({
  ...h,
  promised: { promises: [...(h.promised?.promises ?? []), p], stays: h.promised?.stays ?? [] },
});

describe('what is free of a host over time', () => {
  it('is the least that there is at any instant', () => {
    fc.assert(
      fc.property(
        hostArbitrary,
        fc.integer({ min: AT, max: 40 }),
        fc.integer({ min: 1, max: 20 }),
        (h, from, millis) => {
          const free = freeThroughout(h, { now: AT, from, until: from + millis });
          expect(free.cpuMillis).toBe(freeNaively(h, from, from + millis));
        },
      ),
    );
  });

  it('has no more than a host has at any instant, unless it says where', () => {
    fc.assert(
      fc.property(hostArbitrary, fc.integer({ min: 0, max: 9 }), (h, less) => {
        const smaller = {
          ...h,
          capacity: { ...h.capacity, cpuMillis: Math.max(0, h.capacity.cpuMillis - less) },
        };
        const over = overPromised(smaller, AT);
        expect(over === undefined).toBe(freeNaively(smaller, AT, END) >= 0);
        if (over) expect(takenNaively(smaller, over.at)).toBeGreaterThan(smaller.capacity.cpuMillis);
      }),
    );
  });
});

describe('a lease', () => {
  it('is placed at a time if there is room for it, and then never promises too much', () => {
    fc.assert(
      fc.property(worlds, fc.integer({ min: AT, max: 40 }), (world, from) => {
        const { site, shape, millis } = world;
        const until = from + millis;
        const answer = placeLease(site, shape, { from, until });
        const room = roomNaively(world, from, until);
        if (answer.kind === 'no-lease') {
          expect([answer.fits, answer.fits < shape.count]).toEqual([room, true]);
          return;
        }
        expect(answer.places.reduce((n, p) => n + p.count, 0)).toBe(shape.count);
        for (const { hostId, count } of answer.places) {
          const h = site.hosts.find((one) => one.id === hostId) as SnapshotHost;
          if (shape.apart) expect(count).toBe(1);
          const then = withPromise(h, promiseOf('new', from, until, count * shape.each.cpuMillis));
          expect(overPromised(then, AT)).toBeUndefined();
          expect(freeNaively(then, AT, END)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  it('begins as soon as it can, by brute force', () => {
    fc.assert(
      fc.property(worlds, (world) => {
        const { site, shape, millis } = world;
        const answer = earliestLease(site, shape, { notBefore: AT, millis });
        let first: number | undefined;
        for (let t = AT; t <= END && first === undefined; t++)
          if (roomNaively(world, t, t + millis) >= shape.count) first = t;
        expect(answer.kind === 'lease' ? answer.from : undefined).toBe(first);
      }),
    );
  });

  it('that is refused says when it would have room', () => {
    const full = { ...host('host-1', 4), promised: { promises: [promiseOf('web', 10, 20, 3)], stays: [] } };
    const answer = placeOrSay({ at: 0, hosts: [full], vees: [] }, shapeOf(2, 1), { from: 5, until: 15 });
    if (answer.kind === 'lease') throw new Error('there is no room');
    expect([answer.fits, answer.earliest]).toEqual([1, 20]);
    expect(refusalSummary(answer.why)).toBe(
      'No placement exists for place/1. host-1: cpuMillis 1 needed, 0 free beside what is promised to reservation web from 1970-01-01T00:00Z on.',
    );
  });

  it('of a device that no host has says which there are', () => {
    const capacity = { ...size(4), devices: { gpu: 1 } };
    const site: LeaseSite = { at: 0, hosts: [host('host-1', 0, { capacity })], vees: [] };
    const shape = { ...shapeOf(1, 1), each: { ...size(1), devices: { gpuu: 1 } } };
    const answer = placeOrSay(site, shape, { from: 5, until: 15 });
    if (answer.kind === 'lease') throw new Error('there is no such device');
    expect(refusalSummary(answer.why)).toContain('no host of the site has a device gpuu; there are: gpu');
  });

  it('moves what is in doubt to where there is room, but for what is in use', () => {
    const lease = leaseOn([{ hostId: 'host-1' as HostId, count: 3 }]);
    const stays = [{ veeId: 'v', amount: size(2), freeAt: 40, leaseId: lease.id }];
    const at = (cordoned: boolean, other: number): LeaseSite => ({
      at: 5,
      hosts: [
        host('host-1', 6, {
          cordoned,
          reserved: size(2),
          promised: { promises: [promiseOn(lease, 3)], stays },
        }),
        host('host-2', other, { promised: { promises: [], stays: [] } }),
      ],
      vees: [],
    });
    expect(doubtsOf(lease, at(false, 9))).toEqual([]);
    expect(relocate(lease, [], at(false, 9))).toEqual({ places: lease.places, changed: [] });
    const roomy = at(true, 4);
    expect(relocate(lease, doubtsOf(lease, roomy), roomy)).toEqual({
      places: [
        { hostId: 'host-1', count: 1 },
        { hostId: 'host-2', count: 2 },
      ],
      changed: [
        { hostId: 'host-1', count: 1 },
        { hostId: 'host-2', count: 2 },
      ],
      risk: 'host-1 is cordoned',
    });
    const tight = at(true, 3);
    expect(relocate(lease, doubtsOf(lease, tight), tight)).toEqual({
      places: lease.places,
      changed: [],
      risk: 'host-1 is cordoned; elsewhere there is room for 1 of 2',
    });
  });

  it('follows what uses it: that will be within what is promised, not beside it', () => {
    const lease = leaseOn([{ hostId: 'host-1' as HostId, count: 3 }]);
    const stays = [{ veeId: 'v', amount: size(2), freeAt: 40, leaseId: lease.id }];
    const emptied = host('host-1', 6, {
      cordoned: true,
      promised: { promises: [promiseOn(lease, 3)], stays: [] },
    });
    const now = host('host-2', 6, { reserved: size(2), promised: { promises: [], stays } });
    const site: LeaseSite = { at: 5, hosts: [emptied, now], vees: [] };
    const places = [{ hostId: 'host-2' as HostId, count: 3 }];
    expect(relocate(lease, doubtsOf(lease, site), site)).toEqual({ places, changed: places });
    const then = withPromise(now, promiseOn(lease, 3));
    expect(overPromised(then, 5)).toBeUndefined();
  });

  it('is used while it is its time, until a minute before it ends', () => {
    const lease = { ...leaseOn([]), from: 0, until: 600_000 };
    expect(stateOfLease(lease, 600_000)).toBe('ended');
    expect(endOnLease(lease, undefined, 1)).toBe(540_000);
    expect(endOnLease(lease, 7_000, 1)).toBe(7_000);
    expect(() => endOnLease(lease, 540_001, 1)).toThrow('ends by 1970-01-01T00:09Z');
    expect(() => endOnLease(lease, undefined, 540_000)).toThrow('is about to end');
    expect(() => endOnLease({ ...lease, from: 60_000 }, undefined, 1)).toThrow('begins at 1970-01-01T00:01Z');
    expect(() => endOnLease({ ...lease, cancelledAt: 1 }, undefined, 2)).toThrow('is cancelled');
  });
});

function leaseOn(places: Lease['places']): Lease {
  return {
    ...shapeOf(3, 2),
    ...{ id: 'rsv-1' as LeaseId, siteId: 'home' as SiteId, name: 'mine', kind: 'advance', places },
    ...{ from: 0, until: 50, confirmed: true, live: true, requestedBy: 'me', generation: 1, createdAt: 0 },
    requestedAs: 'op-1' as Lease['requestedAs'],
  };
}

describe('the planner beside leases', () => {
  const promised = { promises: [promiseOf('web', 10, 20, 800)], stays: [] };
  const busy = host('host-1', 1_000, { promised });
  const request = { vees: [vee('app', 0, 300)], constraints: [] };

  it('leaves what is promised at any time to come where there is no end, and says so', () => {
    expect(() => placed(snapshotOf([busy]), request)).toThrow(
      'cpuMillis 300 needed, 200 free beside what is promised to reservation web from 1970-01-01T00:00Z on',
    );
    expect(placed(snapshotOf([busy, host('host-2', 300)]), request)).toEqual({ 'app/0': 'host-2' });
  });

  it('lets what ends before it begins have the room, and its own VEEs have the promise', () => {
    const site = snapshotOf([busy]);
    expect(placed(site, { ...request, stay: { freeAt: 10 } })).toEqual({ 'app/0': 'host-1' });
    expect(() => placed(site, { ...request, stay: { freeAt: 11 } })).toThrow('promised');
    expect(placed(site, { ...request, stay: { leaseId: 'rsv-web' as LeaseId } })).toEqual({
      'app/0': 'host-1',
    });
  });

  it('never takes what is promised, nor leaves what it may have: back-fill delays no lease', () => {
    fc.assert(
      fc.property(
        hostArbitrary,
        fc.integer({ min: 1, max: 6 }),
        fc.option(fc.integer({ min: 2, max: 30 }), { nil: undefined }),
        (h, need, freeAt) => {
          const site = { ...snapshotOf([h]), at: AT };
          const asked = { ...vee('app', 0), need: size(need) };
          const stay = freeAt === undefined ? {} : { freeAt };
          const go = () => placed(site, { vees: [asked], constraints: [], stay }, packing);
          // What should be gone already may stay for who knows how long.
          const end = freeAt !== undefined && freeAt > AT ? freeAt : END;
          if (freeNaively(h, AT, end) < need) {
            expect(go).toThrow();
            return;
          }
          expect(go()).toEqual({ 'app/0': h.id });
          const stays = [...(h.promised?.stays ?? []), { veeId: 'new', amount: size(need), ...stay }];
          const after = {
            ...h,
            reserved: sum([h.reserved, size(need)]),
            promised: { promises: h.promised?.promises ?? [], stays },
          };
          expect(freeNaively(after, AT, END)).toBeGreaterThanOrEqual(0);
          expect(subtract(freeThroughout(h, spanOf(AT, stay)), size(need)).cpuMillis).toBe(
            freeThroughout(after, spanOf(AT, stay)).cpuMillis,
          );
        },
      ),
    );
  });
});

describe('an instant in words', () => {
  it('is as ISO 8601 has it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 4_102_444_800 }), (second) => {
        expect(utcText(second * 1_000)).toBe(
          new Date(second * 1_000).toISOString().replace('.000', '').replace(':00Z', 'Z'),
        );
      }),
    );
  });
});
