import fc from 'fast-check';
import { MAX_VEES_PER_SERVICE } from '../../domain/manifest/well-formed';
import { layOut, toPlan, verbFor } from '../../domain/service/batches';
import { veeLabel } from '../../domain/service/deployment';

/** Each batch costs its operation a dozen events, and each VEE its batch nine and a little: both below 600. */
const MOST_BATCHES = 50;
const LARGEST_BATCH = 60;

const levelsOf = (sizes: readonly number[]) =>
  sizes.map((size, level) => Array.from({ length: size }, (_, index) => ({ component: `c${level}`, index })));

/** Start levels of a service that is as large as may be, in any shape: few large ones, many small ones, both by turns. */
const anySizes = fc.oneof(
  fc.array(fc.integer({ min: 0, max: 130 }), { maxLength: 100 }),
  fc.array(fc.integer({ min: 0, max: MAX_VEES_PER_SERVICE }), { maxLength: 5 }),
  fc
    .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 200 }))
    .map(([a, b]) => Array.from({ length: 100 }, (_, i) => (i % 2 === 0 ? a : b))),
);
const bounded = (sizes: readonly number[]) => {
  let left = MAX_VEES_PER_SERVICE;
  return sizes.map((size) => {
    const taken = Math.min(size, left);
    left -= taken;
    return taken;
  });
};

describe('work divided into batches', () => {
  it('has each VEE once, no level before an earlier one, and bounded batches, few enough', () => {
    fc.assert(
      fc.property(anySizes.map(bounded), (sizes) => {
        const levels = levelsOf(sizes);
        const waves = layOut(levels);
        const inOrder = waves.flat().flatMap((batch) => batch.groups.flat());
        expect(inOrder.map(veeLabel)).toEqual(levels.flat().map(veeLabel));
        // In a wave batches run side by side, so only one that is alone in its wave may hold several levels.
        for (const wave of waves)
          if (wave.length > 1)
            expect(new Set(wave.flatMap((b) => b.groups.flat()).map((v) => v.component)).size).toBe(1);
        for (const { groups } of waves.flat())
          for (const group of groups) expect(new Set(group.map((v) => v.component)).size).toBe(1);
        for (const { groups } of waves.flat()) {
          expect(groups.flat().length).toBeGreaterThan(0);
          expect(groups.flat().length).toBeLessThanOrEqual(LARGEST_BATCH);
        }
        expect(waves.flat().length).toBeLessThanOrEqual(MOST_BATCHES);
      }),
      { numRuns: 500 },
    );
  });

  it('is told by the first and the last of each batch, numbered through all waves', () => {
    const plan = toPlan('op-1/deploy', layOut(levelsOf([1, 120, 2, 3])));
    expect(plan).toEqual({
      worklistId: 'op-1/deploy',
      total: 126,
      waves: [
        [{ number: 0, label: 'c0/0', vees: 1 }],
        [
          { number: 1, label: 'c1/0 to c1/39', vees: 40 },
          { number: 2, label: 'c1/40 to c1/79', vees: 40 },
          { number: 3, label: 'c1/80 to c1/119', vees: 40 },
        ],
        [{ number: 4, label: 'c2/0 to c3/2', vees: 5 }],
      ],
    });
  });
});

describe('the verb that stills a VEE or brings it back', () => {
  it.each([
    ['suspend', 'ACTIVE', true, 'suspend'],
    ['suspend', 'ACTIVE', false, 'pause'],
    ['suspend', 'PAUSED', true, undefined],
    ['suspend', 'SUSPENDED', true, undefined],
    ['resume', 'SUSPENDED', true, 'restore'],
    ['resume', 'PAUSED', false, 'resume'],
    ['resume', 'ACTIVE', true, undefined],
  ] as const)('to %s one that is %s (can suspend: %s) is %s', (work, state, canSuspend, verb) => {
    expect(verbFor(work, { state, canSuspend })).toBe(verb);
  });
});
