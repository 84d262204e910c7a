import fc from 'fast-check';
import type { HostId, VeeId } from '../../domain/ids';
import { smoothed, told, type Usage, usageBetween } from '../../domain/measured';
import type { Policy } from '../../domain/placement/policy';
import { LoadMeter } from '../../worker/load-meter';
import { host, placed, snapshotOf, vee } from '../support/placement';

const counters = (cpuMicros: number, memoryMiB = 10) => ({ cpuMicros, memoryMiB });
const usage = fc.record({ cpuMillis: fc.nat(10_000), memoryMiB: fc.nat(10_000) });

describe('what is measured', () => {
  it('is the processor time between two readings', () => {
    const now = usageBetween(counters(5_000_000), counters(6_000_000, 64), 2_000);
    expect(now).toEqual({ cpuMillis: 500, memoryMiB: 64 });
  });

  it('is nothing over a counter that began anew, or over no time', () => {
    expect(usageBetween(counters(5_000_000), counters(10), 1_000)).toBeUndefined();
    expect(usageBetween(counters(5), counters(5), 0)).toBeUndefined();
  });

  it('is between what it was and what it is, however often it is read', () => {
    fc.assert(
      fc.property(usage, usage, fc.integer({ min: 1, max: 60_000 }), (was, is, millis) => {
        const { cpuMillis, memoryMiB } = smoothed(was, is, millis);
        const twice = smoothed(smoothed(was, is, millis / 2), is, millis / 2);
        expect(cpuMillis).toBeGreaterThanOrEqual(Math.min(was.cpuMillis, is.cpuMillis) - 1e-6);
        expect(cpuMillis).toBeLessThanOrEqual(Math.max(was.cpuMillis, is.cpuMillis) + 1e-6);
        expect(cpuMillis).toBeCloseTo(twice.cpuMillis, 6);
        expect(memoryMiB).toBe(is.memoryMiB);
      }),
    );
  });

  it('is told anew only when it has changed by something, and never stays off by more', () => {
    const capacity: Usage = { cpuMillis: 10_000, memoryMiB: 10_000 };
    fc.assert(
      fc.property(fc.array(usage, { minLength: 1 }), (all) => {
        let before: Usage | undefined;
        for (const now of all) {
          const said = told(before, now, capacity);
          expect(Math.abs(said.cpuMillis - now.cpuMillis)).toBeLessThan(201);
          expect(Math.abs(said.memoryMiB - now.memoryMiB)).toBeLessThan(201);
          before = said;
        }
      }),
    );
    const said = told(undefined, { cpuMillis: 5_000, memoryMiB: 100 }, capacity);
    expect(told(said, { cpuMillis: 5_190, memoryMiB: 290 }, capacity)).toBe(said);
  });
});

describe('a load meter', () => {
  const [h, v, w] = ['h' as HostId, 'v' as VeeId, 'w' as VeeId];
  const capacity: Usage = { cpuMillis: 1_000, memoryMiB: 1_000 };

  it('takes for the host what its VEEs use, where nothing else is known of it', () => {
    const meter = new LoadMeter();
    const first = meter.read(h, { vees: new Map([[v, counters(0)]]) }, capacity, 0);
    expect([...first.vees]).toEqual([]);
    const both = new Map([
      [v, counters(300_000, 20)],
      [w, counters(0, 5)],
    ]);
    const second = meter.read(h, { vees: both }, capacity, 1_000);
    expect([...second.vees]).toEqual([[v, { cpuMillis: 300, memoryMiB: 20 }]]);
    expect(second.measured).toEqual({ cpuMillis: 300, memoryMiB: 20 });
    // One has gone: what it has used so far is no use of now.
    const third = meter.read(h, { vees: new Map([[w, counters(100_000, 5)]]) }, capacity, 2_000);
    expect(third.measured).toEqual({ cpuMillis: 100, memoryMiB: 5 });
  });

  it('takes what the host says of itself before that', () => {
    const meter = new LoadMeter();
    const vees = new Map([[v, counters(0)]]);
    expect(meter.read(h, { host: counters(0, 100), vees }, capacity, 0).measured).toBeUndefined();
    const { measured } = meter.read(h, { host: counters(900_000, 500), vees }, capacity, 1_000);
    expect(measured).toEqual({ cpuMillis: 900, memoryMiB: 500 });
  });
});

describe('placement by what is measured', () => {
  const reserved = (cpuMillis: number) => ({ cpuMillis, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 });
  const site = snapshotOf([
    host('asks-much', 1_000, { reserved: reserved(600), measured: { cpuMillis: 50, memoryMiB: 0 } }),
    host('uses-much', 1_000, { reserved: reserved(300), measured: { cpuMillis: 700, memoryMiB: 0 } }),
  ]);
  const one = { vees: [vee('app', 0)], constraints: [] };
  const by = (name: string, measured: number): Policy => ({ name, parameters: { measured } });

  it.each([
    ['striping', 0, 'uses-much'],
    ['striping', 1, 'asks-much'],
    ['packing', 0, 'asks-much'],
    ['packing', 1, 'uses-much'],
    ['weighted', 1, 'asks-much'],
    ['latency', 1, 'asks-much'],
  ])('%s, %d of it: takes %s', (name, measured, expected) => {
    expect(placed(site, one, by(name, measured))).toEqual({ 'app/0': expected });
  });

  it('counts what it has put somewhere as if it used all it asks for', () => {
    const even = snapshotOf(
      ['a', 'b'].map((id) => host(id, 1_000, { measured: { cpuMillis: 100, memoryMiB: 0 } })),
    );
    const two = { vees: [vee('app', 0), vee('app', 1)], constraints: [] };
    expect(new Set(Object.values(placed(even, two, by('striping', 1)))).size).toBe(2);
  });

  it('goes by what is reserved of a host on which nothing is measured', () => {
    const hosts = snapshotOf([host('a', 1_000, { reserved: reserved(200) }), host('b', 1_000)]);
    expect(placed(hosts, one, by('striping', 1))).toEqual({ 'app/0': 'b' });
  });
});
