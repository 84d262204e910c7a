import fc from 'fast-check';
import { HOST_ECONOMY_FIELDS, type HostEconomy } from '../../domain/cost/host-economy';
import { addedPerHour, hostingPerHour, wattsOf } from '../../domain/cost/hosting';
import { changesOfPlaces, hostingChange, hostingTermsOf } from '../../domain/cost/hosting-change';
import { costOfMove, sumOfMoves } from '../../domain/cost/moving';
import { tariffInForce, tariffOf } from '../../domain/cost/tariff';
import type { SlaClass } from '../../domain/manifest/sla-class';
import type { Snapshot } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import type { Policy } from '../../domain/placement/policy';
import { add, type Capacity, ZERO } from '../../domain/units';
import { context, host, packing, vee } from '../support/placement';

const cpu = (cpuMillis: number): Capacity => ({ ...ZERO, cpuMillis });
/** Hosts of four cores, with what they cost and what is reserved of them. */
const site = (of: Readonly<Record<string, HostEconomy & { readonly used?: number }>>): Snapshot => ({
  ...{ at: 1, vees: [] },
  hosts: Object.entries(of).map(([id, { used = 0, ...economy }]) =>
    host(id, 4_000, { reserved: cpu(used), ...economy }),
  ),
});
function chosen(
  snapshot: Snapshot,
  policy: Policy,
  slaClass: SlaClass = 'bronze',
): readonly [string, string, string | undefined] {
  const answer = plan(
    snapshot,
    { vees: [vee('app', 0, 1_000)], constraints: [], earnsAs: slaClass },
    policy,
    context,
  );
  if (answer.kind !== 'blueprint') throw new Error('infeasible');
  const [first] = answer.assignments;
  return [first?.hostId ?? '', first?.because ?? '', first?.remark];
}
const profit = (parameters: Policy['parameters'] = {}): Policy => ({ name: 'profit', parameters });
const saving: Policy = { name: 'power-saving' };
const watts = (idleWatts: number, peakWatts: number, wakeSeconds?: number): HostEconomy => ({
  power: { idleWatts, peakWatts, ...(wakeSeconds === undefined ? {} : { wakeSeconds }) },
});

describe('what a host costs', () => {
  const priced = {
    capacity: { cpuMillis: 4_000, memoryMiB: 8_192, diskMiB: 102_400, bandwidthKbps: 1_000_000 },
    price: {
      perHour: 0.1,
      perCpuHour: 0.01,
      perMemoryGiBHour: 0.002,
      perDiskGiBHour: 0.0001,
      perBandwidthGbpsHour: 0.5,
    },
    power: { idleWatts: 100, peakWatts: 300 },
  };
  const half = { cpuMillis: 2_000, memoryMiB: 4_096, diskMiB: 51_200, bandwidthKbps: 500_000 };

  it('is what is reserved of it, the host itself and its energy; nothing while nothing is on it', () => {
    expect(wattsOf(priced.power, priced.capacity, half)).toBe(200);
    const reserved = 2 * 0.01 + 4 * 0.002 + 50 * 0.0001 + 0.5 * 0.5;
    expect(hostingPerHour(priced, half, 0.3)).toBeCloseTo(0.1 + reserved + 0.2 * 0.3, 12);
    expect(hostingPerHour(priced, ZERO, 0.3)).toBe(0);
    expect(hostingPerHour({ capacity: priced.capacity }, half, 0.3)).toBe(0);
  });

  it('counts devices by their name', () => {
    const gpus = { ...priced, price: { perDeviceHour: { gpu: 0.9 } } };
    const two = { ...ZERO, devices: { gpu: 2, fpga: 1, constructor: 3 } };
    expect(hostingPerHour(gpus, two, 0)).toBeCloseTo(1.8, 12);
    expect(addedPerHour({ ...gpus, reserved: two }, { ...ZERO, devices: { gpu: 1 } }, 0)).toBeCloseTo(
      0.9,
      12,
    );
  });

  it('adds up, however it comes', () => {
    const used = fc.record({
      cpuMillis: fc.nat(2_000),
      memoryMiB: fc.nat(4_000),
      diskMiB: fc.nat(9_000),
      bandwidthKbps: fc.nat(1_000),
    });
    fc.assert(
      fc.property(used, used, fc.constantFrom(0, 0.3), (first, second, energy) => {
        const one = addedPerHour({ ...priced, reserved: ZERO }, first, energy);
        const other = addedPerHour({ ...priced, reserved: first }, second, energy);
        expect(one + other).toBeCloseTo(hostingPerHour(priced, add(first, second), energy), 9);
        expect(Math.min(one, other)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('changes by what comes and goes, over all hosts of a plan', () => {
    const { hosts } = site({
      a: { price: { perHour: 1 }, used: 1_000 },
      b: { price: { perHour: 3 }, ...watts(50, 90) },
    });
    const [a, b] = [hosts[0]?.id, hosts[1]?.id];
    const change = hostingChange(hosts, changesOfPlaces([{ from: a, to: b, need: cpu(1_000) }]));
    expect(change).toEqual({ perHour: 2, perMonth: 1_460, watts: 60 });
    expect(hostingChange(hosts, changesOfPlaces([{ from: a, to: a, need: cpu(1_000) }]))).toEqual({
      ...{ perHour: 0, perMonth: 0, watts: 0 },
    });
    expect(hostingChange(site({ a: {} }).hosts, [])).toBeUndefined();
    const asleep = site({
      a: watts(60, 120, 30),
      b: watts(60, 120, 90),
      c: { ...watts(60, 120, 300), used: 100 },
    });
    const woken = asleep.hosts.map((h) => ({ to: h.id, need: cpu(100) }));
    expect(hostingChange(asleep.hosts, changesOfPlaces(woken))?.wakeSeconds).toBe(90);
  });

  it('counts the watts that the policy takes a host to draw which does not tell, as its rebalances do', () => {
    const { hosts } = site({ a: { used: 2_000 }, b: watts(50, 90) });
    const [a, b] = [hosts[0]?.id, hosts[1]?.id];
    const emptied = changesOfPlaces([{ from: a, to: b, need: cpu(2_000) }]);
    const by = (policy: Policy) => hostingChange(hosts, emptied, hostingTermsOf(policy))?.watts;
    expect(by(saving)).toBe(70 - 150);
    expect(by({ ...saving, parameters: { idleWatts: 200, peakWatts: 400 } })).toBe(70 - 300);
    // Where watts are not what it goes by, nothing is made up.
    expect(by(profit({ energyPerKWh: 1 }))).toBe(70);
    expect(by(packing)).toBe(70);
  });

  it.each([
    [{ price: { perHour: -1 } }, 'price'],
    [{ price: { perGpuHour: 1 } }, 'price'],
    [{ price: { perHour: Number.NaN } }, 'price'],
    [{ price: { perHour: Infinity } }, 'price'],
    [{ power: { idleWatts: 200, peakWatts: 100 } }, 'power'],
    [{ power: { idleWatts: 1e12, peakWatts: 1e12 } }, 'power'],
    [{ failuresPerYear: -1 }, 'failuresPerYear'],
  ] as const)('is refused when it is %j', (economy, field) => {
    expect(HOST_ECONOMY_FIELDS[field].safeParse((economy as HostEconomy)[field]).success).toBe(false);
  });
});

describe('the policy profit', () => {
  it('takes the cheapest host for what is placed, the host itself included where it would be the first', () => {
    const of = site({
      cheap: { price: { perHour: 0.5, perCpuHour: 0.01 } },
      inUse: { price: { perHour: 0.5, perCpuHour: 0.05 }, used: 100 },
      dear: { price: { perHour: 0.5, perCpuHour: 0.06 }, used: 100 },
    });
    expect(chosen(of, profit())).toEqual(['inUse', 'the most profitable of the 3 hosts that can take it']);
  });

  it('counts energy once it has a price', () => {
    const of = site({
      hungry: { ...watts(100, 500), used: 100 },
      frugal: { ...watts(100, 200), price: { perCpuHour: 0.02 }, used: 100 },
    });
    expect(chosen(of, profit())[0]).toBe('hungry');
    // 100 W more for a core on the one, 25 on the other: 0.03 an hour.
    expect(chosen(of, profit({ energyPerKWh: 0.4 }))[0]).toBe('frugal');
  });

  it('puts what is worth much on hosts that seldom fail, and what is not on cheap ones', () => {
    const of = site({
      frail: { failuresPerYear: 87.6, price: { perCpuHour: 0.01 }, used: 100 },
      sound: { failuresPerYear: 0.876, price: { perCpuHour: 0.05 }, used: 100 },
    });
    const paying = profit({ compensationGold: 10, compensationBronze: 1 });
    expect(chosen(of, paying, 'gold')[0]).toBe('sound');
    expect(chosen(of, paying, 'bronze')[0]).toBe('frail');
  });

  it('says what is lost where it earns nothing on any host, and takes the best all the same', () => {
    const of = site({ a: { price: { perCpuHour: 0.5 } }, b: { price: { perCpuHour: 0.4 } } });
    expect(chosen(of, profit({ benefitBronze: 0.1 }))).toEqual([
      'b',
      'the most profitable of the 2 hosts that can take it',
      'at a loss of 0.3 an hour',
    ]);
    expect(chosen(of, profit({ benefitBronze: 0.5 }))[2]).toBeUndefined();
    expect(tariffInForce({ name: 'packing' })).toBeUndefined();
  });
});

describe('the policy power-saving', () => {
  it('takes hosts that are awake first, and the most frugal of them', () => {
    const of = site({
      asleep: watts(60, 120),
      hungry: { ...watts(90, 250), used: 100 },
      frugal: { ...watts(120, 200), used: 100 },
    });
    expect(chosen(of, saving)).toEqual(['frugal', 'the most frugal of the 3 hosts that can take it']);
  });

  it('wakes the one that draws least where all sleep, and of those the quickest', () => {
    expect(chosen(site({ a: watts(90, 250), b: watts(60, 120) }), saving)[0]).toBe('b');
    expect(chosen(site({ a: watts(60, 120, 120), b: watts(60, 120, 30) }), saving)[0]).toBe('b');
  });

  it('packs where hosts say nothing of what they draw', () => {
    expect(chosen(site({ a: {}, b: { used: 1_000 }, c: { used: 2_000 } }), saving)[0]).toBe('c');
  });
});

describe('what a migration costs', () => {
  const budget = { linkKbps: 1_000_000, streamKbps: 1_000_000 };
  const move = {
    capacity: { ...ZERO, memoryMiB: 1_024, diskMiB: 4_096 },
    stopGraceMillis: 0,
    slaClass: 'gold' as const,
  };
  const tariff = tariffOf({ benefitGold: 3_600, transferPerGiB: 0.5 });

  it('is what is sent, and what is not served meanwhile', () => {
    const cold = costOfMove({ ...move, mode: 'cold' }, budget, tariff);
    // 4 GiB at 1 Gbit/s: 34.36 s, and a benefit of 1 a second.
    expect(cold).toMatchObject({ stillMillis: 34_360 + 300, sentMiB: 4_096 });
    expect(cold.money).toBeCloseTo(34.66 + 2, 9);
    expect(costOfMove({ ...move, mode: 'cold' }, budget, undefined)).toEqual({
      stillMillis: 34_660,
      sentMiB: 4_096,
    });
    expect(sumOfMoves([])).toBeUndefined();
    expect(sumOfMoves([cold, cold])).toMatchObject({ stillMillis: 69_320, sentMiB: 8_192 });
  });

  it('goes by the rate at which memory is written, where that is known', () => {
    const live = (dirtyKbps: number) =>
      costOfMove({ ...move, mode: 'pre-copy' }, { ...budget, dirtyKbps }, tariff);
    // Nothing is written: it is sent once, and hardly stands still.
    expect(live(0)).toMatchObject({ sentMiB: 1_024, stillMillis: 300 });
    // Half as fast as it is sent: 8,590 ms, 4,295, … until 268 ms are left.
    const half = live(500_000);
    expect(half.sentMiB).toBe(1_024 * 2 - 1_024 / 32);
    expect(half.stillMillis).toBe(Math.ceil(8_589.934592 / 32) + 300);
    const never = live(2_000_000);
    expect(never).toMatchObject({ diverging: 1, stillMillis: 8_590 + 300, sentMiB: 2_048 });
    expect(sumOfMoves([never, half, never])).toMatchObject({ diverging: 2 });
  });
});
