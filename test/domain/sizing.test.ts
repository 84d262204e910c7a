import fc from 'fast-check';
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
});
