import fc from 'fast-check';
import { rowOfHost } from '../../cli/commands/top';
import type { HostRecord } from '../../domain/host';
import type { HostId, VeeId } from '../../domain/ids';
import { accountedFor, countedLoad, smoothed, told, type Usage, usageBetween } from '../../domain/measured';
import { rangeOf } from '../../domain/placement/built-in-policies';
import type { Policy } from '../../domain/placement/policy';
import { toSnapshotHost } from '../../store/hosts';
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
  const need: Usage = { cpuMillis: 400, memoryMiB: 100 };
  const of = { capacity, needs: new Map([[v, need]]) };

  it('takes for the host what its VEEs use, where nothing else is known of it', () => {
    const meter = new LoadMeter();
    const first = meter.read(h, { vees: new Map([[v, counters(0)]]) }, of, 0);
    expect([...first.vees]).toEqual([]);
    const both = new Map([
      [v, counters(300_000, 20)],
      [w, counters(0, 5)],
    ]);
    const second = meter.read(h, { vees: both }, of, 1_000);
    expect([...second.vees]).toEqual([[v, { cpuMillis: 300, memoryMiB: 20 }]]);
    expect(second.measured).toEqual({ cpuMillis: 300, memoryMiB: 20 });
    // One has gone: what it has used so far is no use of now.
    const third = meter.read(h, { vees: new Map([[w, counters(100_000, 5)]]) }, of, 2_000);
    expect(third.measured).toEqual({ cpuMillis: 100, memoryMiB: 5 });
  });

  it('takes what the host says of itself before that', () => {
    const meter = new LoadMeter();
    const vees = new Map([[v, counters(0)]]);
    expect(meter.read(h, { host: counters(0, 100), vees }, of, 0).measured).toBeUndefined();
    const { measured } = meter.read(h, { host: counters(900_000, 500), vees }, of, 1_000);
    expect(measured).toEqual({ cpuMillis: 900, memoryMiB: 500 });
  });

  it('tells what is asked for by those whose use is known, of a young one less of it', () => {
    const meter = new LoadMeter();
    const idle = new Map([[v, counters(0, 0)]]);
    const there = meter.read(h, { vees: idle }, of, 0);
    expect(there.accounted).toEqual({ cpuMillis: 0, memoryMiB: 0 });
    // It was there before the agent: nobody knows for how long.
    expect(meter.read(h, { vees: idle }, of, 1_000).accounted).toEqual(need);
    meter.read(h, { vees: new Map() }, of, 2_000);
    meter.read(h, { vees: idle }, of, 3_000);
    expect(meter.read(h, { vees: idle }, of, 18_000).accounted).toEqual({ cpuMillis: 100, memoryMiB: 25 });
    expect(meter.read(h, { vees: idle }, of, 63_000).accounted).toEqual(need);
  });

  it('takes no host for young that has measured nothing before', () => {
    const meter = new LoadMeter();
    meter.read(h, undefined, of, 0);
    const idle = new Map([[v, counters(0, 0)]]);
    meter.read(h, { vees: idle }, of, 1_000);
    expect(meter.read(h, { vees: idle }, of, 1_000 + 30_000).accounted?.cpuMillis).toBe(200);
  });

  it('drops what no machine uses', () => {
    const absurd = fc.constantFrom(Number.NaN, Infinity, -1, 1e300, Number.MAX_SAFE_INTEGER * 2);
    const any = fc.oneof(absurd, fc.nat(1_000_000));
    const reading = fc.record({ cpuMicros: any, memoryMiB: any });
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.option(reading), reading, reading), { maxLength: 8 }), (all) => {
        const meter = new LoadMeter();
        for (const [n, [host, first, second]] of all.entries()) {
          const vees = new Map([
            [v, first],
            [w, second],
          ]);
          const told = meter.read(h, { ...(host ? { host } : {}), vees }, of, (n + 1) * 1_000);
          const usages = [told.measured, told.accounted, ...told.vees.values()].filter(
            (u) => u !== undefined,
          );
          for (const n of usages.flatMap((u) => [u.cpuMillis, u.memoryMiB]))
            expect(Number.isSafeInteger(n) && n >= 0).toBe(true);
        }
      }),
    );
  });
});

describe('sluice top', () => {
  it('shows what is in use as a share of what a host has, not of what it gives out', () => {
    const load = { cpuMillis: 500, memoryMiB: 256 };
    const row = rowOfHost({
      ...{ id: 'h', reserved: load, measured: load },
      capacity: { cpuMillis: 2_000, memoryMiB: 1_024 },
      physical: { cpuMillis: 500, memoryMiB: 1_024 },
    });
    expect(row).toEqual(['h', '500 (25 %)', '500 (100 %)', '256 (25 %)', '256 (25 %)']);
  });
});

describe('what counts as in use', () => {
  const asked = fc.record({ cpuMillis: fc.nat(4_000), memoryMiB: fc.nat(4_000) });
  const capacity: Usage = { cpuMillis: 8_000, memoryMiB: 4_000 };

  it('of a host that is busy through and through is all of what it gives out', () => {
    const physical: Usage = { cpuMillis: 2_000, memoryMiB: 4_000 };
    expect(countedLoad(physical, { cpuMillis: 0, memoryMiB: 0 }, capacity, physical)).toEqual(capacity);
  });

  it('is also what is reserved and not measured, and never less than either', () => {
    fc.assert(
      fc.property(asked, asked, asked, (load, accounted, reserved) => {
        const { cpuMillis } = countedLoad({ ...load, accounted }, reserved, capacity);
        expect(cpuMillis).toBe(load.cpuMillis + Math.max(0, reserved.cpuMillis - accounted.cpuMillis));
        // As agents say it that are older than that.
        expect(countedLoad(load, reserved, capacity)).toEqual(load);
      }),
    );
  });

  it('is of one that has just begun what it asks for, and later what it uses', () => {
    fc.assert(
      fc.property(asked, asked, fc.nat(120_000), (need, used, age) => {
        const rest = need.cpuMillis - accountedFor(need, used, age).cpuMillis;
        const counted = used.cpuMillis + rest;
        expect(counted).toBeGreaterThanOrEqual(used.cpuMillis);
        expect(counted).toBeLessThanOrEqual(Math.max(used.cpuMillis, need.cpuMillis) + 1e-6);
        if (age === 0) expect(counted).toBeCloseTo(Math.max(used.cpuMillis, need.cpuMillis), 6);
        if (age >= 60_000) expect(counted).toBe(used.cpuMillis);
      }),
    );
  });
});

/** A host as it is recorded. */
const recorded = (id: string, more: Partial<HostRecord>, physical?: Usage): HostRecord => {
  const { driver, capabilities, images, capacity, ...rest } = host(id, 1_000);
  const fingerprint = { driver, capabilities, images, capacity, ...(physical ? { physical } : {}) };
  return { ...rest, fingerprint, ...more } as unknown as HostRecord;
};

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

  it('spreads one decision after the other, though nothing is measured of what they have placed', () => {
    const counts = { a: 0, b: 0 };
    for (let n = 0; n < 6; n++) {
      const hosts = (['a', 'b'] as const).map((id) =>
        toSnapshotHost(
          recorded(id, {
            reserved: reserved(100 * counts[id]),
            measured: {
              cpuMillis: id === 'a' ? 100 : 120,
              memoryMiB: 0,
              accounted: { cpuMillis: 0, memoryMiB: 0 },
            },
          }),
        ),
      );
      const taken = Object.values(placed(snapshotOf(hosts), one, by('striping', 1)))[0];
      counts[taken as 'a' | 'b'] += 1;
    }
    expect(counts).toEqual({ a: 3, b: 3 });
  });

  it('keeps from a host that gives out more than it has once it is busy', () => {
    const busy = { measured: { cpuMillis: 250, memoryMiB: 0 } };
    const hosts = [
      toSnapshotHost(recorded('a', busy, { cpuMillis: 250, memoryMiB: 1_000 })),
      toSnapshotHost(recorded('b', { measured: { cpuMillis: 600, memoryMiB: 0 } })),
    ];
    expect(placed(snapshotOf(hosts), one, by('striping', 1))).toEqual({ 'app/0': 'b' });
  });

  it('can’t count for more than all', () => {
    for (const name of ['packing', 'striping', 'latency', 'weighted'] as const)
      expect(rangeOf(name, 'measured')).toEqual([0, 1]);
  });
});
