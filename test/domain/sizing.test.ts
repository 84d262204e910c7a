import fc from 'fast-check';
import { firstFit } from '../../domain/placement/packing/first-fit';
import { faultsOfPacking } from '../../domain/placement/packing/verify';
import { sizing, tooSmallFor } from '../../domain/placement/sizing';
import { type Capacity, DIMENSIONS, ZERO } from '../../domain/units';

const of = (cpuMillis: number, memoryMiB = 0): Capacity => ({ ...ZERO, cpuMillis, memoryMiB });
const host: Capacity = { cpuMillis: 1_000, memoryMiB: 1_000, diskMiB: 0, bandwidthKbps: 0 };

describe('how few hosts would do', () => {
  it('is told with what runs out, and with how full they would be', () => {
    const answer = sizing({ needs: Array.from({ length: 5 }, () => of(400, 100)), host, apart: 0 });
    expect(answer).toMatchObject({ vees: 5, hosts: 3, atLeast: 3, scarcest: 'cpuMillis' });
    expect(answer.loads).toMatchObject({ cpuMillis: 2_000 / 3_000, memoryMiB: 500 / 3_000, diskMiB: 0 });
  });

  it('is none for nothing, and as many as keep apart what must be', () => {
    expect(sizing({ needs: [], host, apart: 0 })).toMatchObject({ vees: 0, hosts: 0, atLeast: 0 });
    const apart = sizing({ needs: [of(1), of(1), of(1)], host, apart: 3 });
    expect(apart).toMatchObject({ hosts: 3, atLeast: 3 });
    expect(apart.scarcest).toBeUndefined();
  });

  it('is no number for what fits on no such host', () => {
    expect(tooSmallFor({ needs: [of(1), of(1, 2_000)], host })).toEqual({
      ...{ dimension: 'memoryMiB', need: 2_000, has: 1_000 },
    });
    expect(tooSmallFor({ needs: [of(1_000, 1_000)], host })).toBeUndefined();
  });

  it('is never fewer than is proven, and never fuller than full', () => {
    const need = fc.record(
      Object.fromEntries(DIMENSIONS.map((d) => [d, fc.integer({ min: 0, max: host[d] })])),
    ) as unknown as fc.Arbitrary<Capacity>;
    fc.assert(
      fc.property(fc.array(need, { maxLength: 30 }), fc.nat(5), (needs, apart) => {
        const { hosts, atLeast, loads } = sizing({ needs, host, apart });
        expect(hosts).toBeGreaterThanOrEqual(atLeast);
        expect(hosts).toBeLessThanOrEqual(Math.max(needs.length, apart));
        for (const d of DIMENSIONS) expect(loads[d]).toBeLessThanOrEqual(1);
      }),
      { numRuns: 50 },
    );
  });

  it('counts devices, and what of them runs out', () => {
    const gpu = (many: number): Capacity => ({ ...of(100, 100), devices: { gpu: many } });
    const withGpus = { ...host, devices: { gpu: 2, fpga: 1 } };
    const answer = sizing({ needs: [gpu(1), gpu(1), gpu(2), of(100)], host: withGpus, apart: 0 });
    expect(answer).toMatchObject({ hosts: 2, atLeast: 2, scarcest: 'device:gpu', deviceLoads: { gpu: 1 } });
    expect(tooSmallFor({ needs: [gpu(3)], host: withGpus })).toEqual({
      dimension: 'device:gpu',
      need: 3,
      has: 2,
    });
    expect(tooSmallFor({ needs: [gpu(1)], host })).toEqual({ dimension: 'device:gpu', need: 1, has: 0 });
  });

  it('packs what is needed in more kinds than four, and never more than full', () => {
    const kinds = fc.record({
      cpuMillis: fc.nat(600),
      memoryMiB: fc.nat(600),
      a: fc.nat(2),
      b: fc.nat(2),
      c: fc.nat(2),
    });
    const large = { ...host, devices: { a: 3, b: 3, c: 3 } };
    fc.assert(
      fc.property(fc.array(kinds, { minLength: 1, maxLength: 25 }), (drawn) => {
        const needs = drawn.map(
          ({ cpuMillis, memoryMiB, ...devices }): Capacity => ({ ...of(cpuMillis, memoryMiB), devices }),
        );
        const { hosts, atLeast, deviceLoads = {}, loads } = sizing({ needs, host: large, apart: 0 });
        expect(hosts).toBeGreaterThanOrEqual(atLeast);
        for (const load of [...Object.values(deviceLoads), ...Object.values(loads)])
          expect(load).toBeLessThanOrEqual(1);
        const dimensions = 5;
        const problem = {
          ...{ items: drawn.length, dimensions, capacity: Float64Array.of(1_000, 1_000, 3, 3, 3) },
          need: Float64Array.from(drawn.flatMap((k) => [k.cpuMillis, k.memoryMiB, k.a, k.b, k.c])),
        };
        expect(faultsOfPacking(problem, firstFit(problem))).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  it('counts licences by VEE, by core, and by the hosts that those that take them fill', () => {
    const needs = [of(1_000), of(600), of(600), of(300)];
    const pool = (per: 'vee' | 'core' | 'host', takers: number[]) => ({ name: per, count: 2, per, takers });
    const { licences, hosts } = sizing({
      ...{ needs, host, apart: 0 },
      licences: [pool('vee', [0, 1, 2]), pool('core', [0, 1, 3]), pool('host', [1, 2, 3])],
    });
    expect(hosts).toBe(3);
    expect(licences?.map((l) => [l.name, l.needed])).toEqual([
      ['vee', 3],
      ['core', 3],
      ['host', 2],
    ]);
  });
});
