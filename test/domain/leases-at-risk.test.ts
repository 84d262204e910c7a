import fc from 'fast-check';
import type { HostId, LeaseId, SiteId } from '../../domain/ids';
import { doubtsOf, relocate, withPlaces } from '../../domain/leases/keep';
import { type Lease, promiseOn } from '../../domain/leases/model';
import type { LeaseSite } from '../../domain/leases/place';
import { overPromised } from '../../domain/placement/promised';
import type { Capacity } from '../../domain/units';
import { host, tenantId } from '../support/placement';

const AT = 5;
const H1 = 'h1' as HostId;
const H2 = 'h2' as HostId;
const size = (cpuMillis: number): Capacity => ({ cpuMillis, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 });

const leaseOf = (n: number, from: number, until: number, count: number): Lease => ({
  ...{ id: `rsv-${n}` as LeaseId, siteId: 'home' as SiteId, tenantId, name: `${n}`, kind: 'advance' },
  ...{ count, each: size(1), labels: {}, apart: false, from, until, places: [{ hostId: H1, count }] },
  ...{ confirmed: true, live: true, requestedBy: 'me', requestedAs: 'op-1' as Lease['requestedAs'] },
  ...{ generation: 1, createdAt: 0 },
});

const siteOf = (leases: readonly Lease[], cpuMillis: number, elsewhere = 0): LeaseSite => ({
  at: AT,
  hosts: [
    host(H1, cpuMillis, { promised: { promises: leases.map((l) => promiseOn(l, l.count)), stays: [] } }),
    host(H2, elsewhere),
  ],
  vees: [],
});

describe('a host that has too little for what it has promised', () => {
  it('keeps what begins first, and what it has room for of the next', () => {
    const [first, next, apart] = [leaseOf(1, 10, 20, 4), leaseOf(2, 15, 30, 4), leaseOf(3, 40, 50, 4)];
    const site = siteOf([next, apart, first], 6);
    const doubts = [first, next, apart].map((l) => doubtsOf(l, site).map((d) => d.count));
    expect(doubts).toEqual([[], [2], []]);
    // No more than that goes elsewhere, and nothing is at risk any more.
    const roomy = siteOf([next, apart, first], 6, 2);
    const places = [
      { hostId: H1, count: 2 },
      { hostId: H2, count: 2 },
    ];
    expect(relocate(next, doubtsOf(next, roomy), roomy)).toEqual({ places, changed: places });
    expect(overPromised(withPlaces(roomy, next, places).hosts[0] as never, AT)).toBeUndefined();
    expect(relocate(next, doubtsOf(next, site), site).risk).toContain('room for 0 of 2');
  });

  it('has room for all that is not in doubt, and somebody is when it has not', () => {
    const leases = fc.array(
      fc.record({
        from: fc.nat(20),
        millis: fc.integer({ min: 1, max: 10 }),
        count: fc.integer({ min: 1, max: 4 }),
      }),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(leases, fc.nat(9), (many, cpuMillis) => {
        const made = many.map((m, n) => leaseOf(n, m.from, m.from + m.millis, m.count));
        const living = made.filter((l) => l.until > AT);
        const site = siteOf(living, cpuMillis);
        const short = living.map((l) => doubtsOf(l, site).reduce((n, d) => n + d.count, 0));
        const kept = living.map((l, n) => promiseOn(l, l.count - (short[n] ?? 0)));
        const then = host(H1, cpuMillis, { promised: { promises: kept, stays: [] } });
        expect(overPromised(then, AT)).toBeUndefined();
        const over = overPromised(site.hosts[0] as never, AT) !== undefined;
        expect(short.some((n) => n > 0)).toBe(over);
      }),
    );
  });
});
