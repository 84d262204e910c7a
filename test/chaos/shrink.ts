export interface Shrunk<T> {
  readonly items: readonly T[];
  readonly runs: number;
  /** Did what was found ever happen again? A race may not. */
  readonly reproduced: boolean;
}

/**
 * Delta debugging (Zeller's ddmin, complements only): the shortest list found that still fails, within a bounded
 * number of runs. `fails` may be wrong in one direction, since a race may hide: then the list stays longer than
 * it could be, and is never one that was not seen to fail.
 */
export async function shrink<T>(
  items: readonly T[],
  fails: (items: readonly T[]) => Promise<boolean>,
  mostRuns: number,
): Promise<Shrunk<T>> {
  let [kept, runs, reproduced] = [items, 0, false];
  for (let parts = 2; kept.length > 1 && runs < mostRuns; ) {
    const size = Math.ceil(kept.length / parts);
    let shorter: readonly T[] | undefined;
    // The end is what failed last, so what comes first is the likeliest to be of no matter.
    for (let from = 0; from < kept.length && runs < mostRuns && !shorter; from += size) {
      const rest = [...kept.slice(0, from), ...kept.slice(from + size)];
      runs++;
      if (await fails(rest)) shorter = rest;
    }
    if (shorter) {
      [kept, reproduced] = [shorter, true];
      parts = Math.max(parts - 1, 2);
    } else {
      if (parts >= kept.length) break;
      parts = Math.min(parts * 2, kept.length);
    }
  }
  return { items: kept, runs, reproduced };
}
