import fc from 'fast-check';
import { packingOf } from '../../bench/placement/packing';
import { fewestHosts } from '../../domain/placement/packing/bound';
import { filled } from '../../domain/placement/packing/fill';
import { pack } from '../../domain/placement/packing/pack';
import { type PackingProblem, TooLarge } from '../../domain/placement/packing/problem';
import { faultsOfPacking } from '../../domain/placement/packing/verify';

/** Few kinds of amounts, so that items are alike now and then; nothing at all of a dimension, too. */
const problems = (mostItems: number): fc.Arbitrary<PackingProblem> =>
  fc.integer({ min: 1, max: 4 }).chain((dimensions) =>
    fc
      .record({
        capacity: fc.array(fc.constantFrom(0, 10, 17, 1_000_000), {
          minLength: dimensions,
          maxLength: dimensions,
        }),
        shares: fc.array(
          fc.array(fc.constantFrom(0, 0.1, 0.2, 0.35, 0.5, 0.9, 1), {
            minLength: dimensions,
            maxLength: dimensions,
          }),
          { maxLength: mostItems },
        ),
      })
      .map(({ capacity, shares }) => ({
        items: shares.length,
        dimensions,
        capacity: Float64Array.from(capacity),
        need: Float64Array.from(shares.flatMap((s) => s.map((x, d) => Math.floor(x * (capacity[d] ?? 0))))),
      })),
  );

/** The fewest hosts, by trying each item on each host so far and on one more. */
function fewestByTrying({ items, dimensions, need, capacity }: PackingProblem): number {
  const used: number[][] = [];
  let best = items;
  const place = (item: number): void => {
    if (used.length >= best) return;
    if (item === items) {
      best = used.length;
      return;
    }
    const needs = [...need.subarray(item * dimensions, (item + 1) * dimensions)];
    for (const host of used) {
      if (needs.some((n, d) => n + (host[d] ?? 0) > (capacity[d] ?? 0))) continue;
      for (const [d, n] of needs.entries()) host[d] = (host[d] ?? 0) + n;
      place(item + 1);
      for (const [d, n] of needs.entries()) host[d] = (host[d] ?? 0) - n;
    }
    used.push(needs);
    place(item + 1);
    used.pop();
  };
  place(0);
  return best;
}

const all = ({ items }: PackingProblem) => Int32Array.from({ length: items }, (_, item) => item);

describe('packing VEEs on few hosts', () => {
  it('packs each once, nowhere too much, on no fewer hosts than are possible', () => {
    fc.assert(
      fc.property(problems(60), fc.string(), (problem, seed) => {
        const packing = pack(problem, seed);
        expect(faultsOfPacking(problem, packing)).toEqual([]);
        expect(packing.hosts).toBeGreaterThanOrEqual(fewestHosts(problem).hosts);
      }),
      { numRuns: 300 },
    );
  });

  it('finds the fewest that trying all finds, or one more, and the fewest in 9 of 10', () => {
    const small = fc.sample(problems(8), { seed: 7, numRuns: 300 });
    const more = small.map((problem) => pack(problem, 's').hosts - fewestByTrying(problem));
    expect(Math.min(...more)).toBe(0);
    expect(Math.max(...more)).toBeLessThanOrEqual(1);
    expect(more.filter((m) => m > 0).length).toBeLessThanOrEqual(small.length / 10);
  });

  it('has a bound that no packing is below', () => {
    fc.assert(
      fc.property(problems(7), (problem) => {
        expect(fewestHosts(problem).hosts).toBeLessThanOrEqual(fewestByTrying(problem));
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same answer for the same problem and seed', () => {
    fc.assert(
      fc.property(problems(60), fc.string(), (problem, seed) => {
        expect(pack(problem, seed)).toEqual(pack(problem, seed));
      }),
      { numRuns: 50 },
    );
  });

  it('packs what comes in another order about as well', () => {
    const problem = packingOf('any need', 600, 's');
    const { items, dimensions, need } = problem;
    const backwards = {
      ...problem,
      need: need.map((_, cell) => {
        const item = items - 1 - Math.floor(cell / dimensions);
        return need[item * dimensions + (cell % dimensions)] ?? 0;
      }),
    };
    expect(Math.abs(pack(backwards, 's').hosts - pack(problem, 's').hosts)).toBeLessThanOrEqual(1);
  });

  it('is within 3 % of the bound for a thousand VEEs, of flavours or of any need', () => {
    for (const family of ['any need', '40 flavours'] as const) {
      const problem = packingOf(family, 1_000, 's');
      const packing = pack(problem, 's');
      expect(faultsOfPacking(problem, packing)).toEqual([]);
      expect(packing.hosts / fewestHosts(problem).exact).toBeLessThan(1.03);
    }
  });

  it('takes more items than are looked at together', () => {
    const problem = packingOf('any need', 21_000, 's');
    const packing = pack(problem, 's', { fillings: 1 });
    expect(faultsOfPacking(problem, packing)).toEqual([]);
    expect(packing.hosts / fewestHosts(problem).exact).toBeLessThan(1.02);
  });

  it('gives its first answer when time is over, and begins no filling that would be too late', () => {
    for (const family of ['any need', '40 flavours'] as const) {
      const problem = packingOf(family, 1_000, 's');
      expect(faultsOfPacking(problem, pack(problem, 's', { progress: () => 1 }))).toEqual([]);
    }
    const problem = packingOf('any need', 1_000, 's');
    expect(filled(problem, all(problem), 's', { looks: 100, lastOnes: 2 }, () => true)).toBeUndefined();
  });

  it('refuses an item that no host can hold, and says which', () => {
    const problem = {
      items: 2,
      dimensions: 2,
      need: Float64Array.of(1, 2, 3, 11),
      capacity: Float64Array.of(10, 10),
    };
    expect(() => pack(problem, 's')).toThrow(new TooLarge(1, 1, 11, 10));
    expect(() => pack(problem, 's')).toThrow('item 1 needs 11 in dimension 1, of which a host has 10');
  });

  it.each([
    [
      'more dimensions than there are',
      { dimensions: 5, need: new Float64Array(5), capacity: new Float64Array(5) },
    ],
    ['needs of some items only', { items: 2 }],
    ['parts of units', { need: Float64Array.of(0.5) }],
    ['less than nothing', { need: Float64Array.of(-1) }],
    ['a host of nothing countable', { capacity: Float64Array.of(Number.NaN) }],
  ])('refuses %s', (_, odd) => {
    const problem = { items: 1, dimensions: 1, need: Float64Array.of(1), capacity: Float64Array.of(10) };
    expect(() => pack({ ...problem, ...odd }, 's')).toThrow(RangeError);
  });

  it('needs no host for nothing, and one for what needs nothing', () => {
    const nothing = { items: 0, dimensions: 1, need: new Float64Array(0), capacity: Float64Array.of(10) };
    expect(pack(nothing, 's')).toEqual({ hostOf: new Int32Array(0), hosts: 0 });
    const weightless = { ...nothing, items: 500, need: new Float64Array(500) };
    expect(pack(weightless, 's').hosts).toBe(1);
  });
});

describe('the verifier of packings', () => {
  const problem = { items: 3, dimensions: 1, need: Float64Array.of(5, 5, 6), capacity: Float64Array.of(10) };
  const faults = (hostOf: number[], hosts: number) =>
    faultsOfPacking(problem, { hostOf: Int32Array.from(hostOf), hosts });

  it('finds nothing about a packing', () => {
    expect(faults([0, 0, 1], 2)).toEqual([]);
  });

  it.each([
    [[0, 0], 1, '2 items are packed, 3 were asked for'],
    [[0, -1, 1], 2, 'item 1 is on host -1, of 2'],
    [[0, 0, 2], 2, 'item 2 is on host 2, of 2'],
    [[0, 1, 1], 2, 'host 1 has 10 in dimension 0, 11 is used'],
    [[0, 0, 2], 3, 'nothing is on host 1'],
  ])('finds what is wrong with %j on %d', (hostOf, hosts, fault) => {
    expect(faults(hostOf, hosts)).toContain(fault);
  });
});
