import fc from 'fast-check';
import { KeptInOrder } from '../../store/kept-in-order';

const key = fc.integer({ min: 0, max: 40 }).map((n) => `k${n}`);

describe('what is kept in order', () => {
  it('is what a sorted map of it is, and what was given stays as it was', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.uniqueArray(key), fc.array(fc.boolean()))),
        fc.boolean(),
        (steps, alsoMany) => {
          const kept = new KeptInOrder<number>();
          const expected = new Map<string, number>();
          const many = alsoMany ? Array.from({ length: 600 }, (_, n) => `m${n}`) : [];
          const given: { readonly values: readonly number[]; readonly copy: readonly number[] }[] = [];
          let value = 0;
          for (const [keys, present] of [[many, many.map(() => true)] as const, ...steps]) {
            const entries = keys.flatMap((k, n): [string, number][] => (present[n] ? [[k, value++]] : []));
            kept.replace(keys, entries);
            for (const k of keys) expected.delete(k);
            for (const [k, v] of entries) expected.set(k, v);
            const values = kept.values();
            given.push({ values, copy: [...values] });
            expect(values).toEqual([...expected].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, v]) => v));
          }
          for (const { values, copy } of given) expect(values).toEqual(copy);
        },
      ),
    );
  });
});
