import fc from 'fast-check';
import { durationText } from '../../domain/duration';

const MILLIS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

describe('a duration in words', () => {
  it.each([
    [0, '0 ms'],
    [999, '999 ms'],
    [1_500, '1 s'],
    [90_000, '90 s'],
    [150_000, '2 min 30 s'],
    [5_400_000, '90 min'],
    [9_000_000, '2 h 30 min'],
    [36 * 3_600_000, '36 h'],
    [2 * 86_400_000, '2 d'],
    [366 * 86_400_000 + 3_600_000, '366 d 1 h'],
  ])('%d ms is %s', (millis, text) => {
    expect(durationText(millis)).toBe(text);
  });

  it('is never more than it is, and less by no more than the smallest unit that is told', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e12 }), (millis) => {
        const parts = [...durationText(millis).matchAll(/(\d+) (\w+)/g)];
        const told = parts.reduce(
          (n, [, many, unit]) => n + Number(many) * (MILLIS[unit ?? ''] ?? Number.NaN),
          0,
        );
        expect(told).toBeLessThanOrEqual(millis);
        expect(told).toBeGreaterThan(millis * 0.5 - 1);
      }),
    );
  });
});
