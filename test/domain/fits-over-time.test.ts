import fc from 'fast-check';
import type { HostId, LeaseId, TenantId } from '../../domain/ids';
import { FitsOverTime } from '../../domain/leases/fits-over-time';
import { earliestLease } from '../../domain/leases/place';
import type { SnapshotHost } from '../../domain/placement/model';
import { freeThroughout, type HeldStay, type Promised } from '../../domain/placement/promised';
import { timesIn } from '../../domain/placement/room';
import { type Capacity, sum } from '../../domain/units';
import { host, tenantId } from '../support/placement';

const NOW = 5;
const MOST = 4;

const small = (max: number) => fc.integer({ min: 0, max });
const amounts = fc.record({ cpuMillis: small(5), memoryMiB: small(3), gpus: small(2) }).map(
  ({ cpuMillis, memoryMiB, gpus }): Capacity => ({
    ...{ cpuMillis, memoryMiB, diskMiB: 0, bandwidthKbps: 0 },
    ...(gpus > 0 ? { devices: { gpu: gpus } } : {}),
  }),
);

/** Also such as hold and promise more than they have, and promises that are over, or use more than was promised. */
const hosts = fc
  .record({
    capacity: fc.record({ cpuMillis: small(12), memoryMiB: small(9), gpus: small(4) }),
    open: amounts,
    stays: fc.array(
      fc.record({
        amount: amounts,
        freeAt: fc.option(small(30), { nil: undefined }),
        on: fc.option(small(4), { nil: undefined }),
      }),
      { maxLength: 5 },
    ),
    promises: fc.array(
      fc.record({ amount: amounts, from: small(25), millis: fc.integer({ min: 1, max: 12 }) }),
      {
        maxLength: 5,
      },
    ),
  })
  .map(({ capacity: { cpuMillis, memoryMiB, gpus }, open, stays, promises }): SnapshotHost => {
    const made = promises.map(
      ({ amount, from, millis }, n): Promised => ({
        ...{ leaseId: `rsv-${n}` as LeaseId, tenantId: 'globex' as TenantId, name: `${n}` },
        ...{ from, until: from + millis, amount },
      }),
    );
    const held = stays.map(
      ({ amount, freeAt, on }, n): HeldStay => ({
        ...{ veeId: `vee-${n}`, amount },
        ...(freeAt === undefined ? {} : { freeAt }),
        ...(on === undefined ? {} : { leaseId: `rsv-${on}` as LeaseId }),
      }),
    );
    const capacity = { cpuMillis, memoryMiB, diskMiB: 0, bandwidthKbps: 0, devices: { gpu: gpus } };
    const reserved = sum([open, ...held.map((s) => s.amount)]);
    return host('host-0', 0, { capacity, reserved, promised: { promises: made, stays: held } });
  });

const fitsAsPlannersSee = (h: SnapshotHost, each: Capacity, from: number, until: number): number =>
  Math.min(MOST, timesIn(each, freeThroughout(h, { now: NOW, from, until })));

describe('how many fit over time', () => {
  it('is what planners see, looked at time by time', () => {
    fc.assert(
      fc.property(
        hosts,
        amounts,
        fc.integer({ min: NOW, max: 40 }),
        fc.integer({ min: 1, max: 20 }),
        (h, each, from, millis) => {
          const overTime = new FitsOverTime(h, each, MOST, NOW);
          expect(overTime.within(from, from + millis)).toBe(fitsAsPlannersSee(h, each, from, from + millis));
        },
      ),
      { numRuns: 120 },
    );
  });

  it('tells every change for what begins later, and when there is none', () => {
    fc.assert(
      fc.property(
        hosts,
        amounts,
        fc.integer({ min: NOW, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        (h, each, notBefore, millis) => {
          const steps = new FitsOverTime(h, each, MOST, NOW).from(notBefore, millis);
          const naive: { at: number; fits: number }[] = [];
          for (let at = notBefore; at <= 45; at++) {
            const fits = fitsAsPlannersSee(h, each, at, at + millis);
            if (naive[naive.length - 1]?.fits !== fits) naive.push({ at, fits });
          }
          expect(steps).toEqual(naive);
        },
      ),
      { numRuns: 120 },
    );
  });

  it('finds the earliest time on several hosts, as trying each does', () => {
    const sites = fc.array(hosts, { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(sites, amounts, fc.integer({ min: 1, max: 9 }), (several, each, millis) => {
        const there = several.map((h, n) => ({ ...h, id: `host-${n}` as HostId }));
        const shape = { tenantId, count: MOST, each, labels: {}, apart: false };
        const found = earliestLease({ at: NOW, hosts: there, vees: [] }, shape, { notBefore: NOW, millis });
        let first: number | undefined;
        for (let at = NOW; at <= 45 && first === undefined; at++)
          if (there.reduce((n, h) => n + fitsAsPlannersSee(h, each, at, at + millis), 0) >= MOST) first = at;
        expect(found.kind === 'lease' ? found.from : undefined).toBe(first);
      }),
    );
  });
});
