/** Every case takes longer than CI has: there each step meets one of its moments, in turn. `SLUICE_EVERY_CASE=1` runs all. */
export function momentsOf<W>(step: number, moments: readonly W[]): readonly W[] {
  return process.env.SLUICE_EVERY_CASE ? moments : moments.slice(step % moments.length).slice(0, 1);
}

/** Of cases where the step before and the step after are much the same every second one. */
export const everySecond = <C>(cases: readonly C[]): readonly C[] =>
  process.env.SLUICE_EVERY_CASE ? cases : cases.filter((_, i) => i % 2 === 0);

/**
 * Every case once, each in the lane that is free first: for cases that wait more than they work, each in need of a
 * site of its own.
 */
export async function eachInLanes<L, C>(
  lanes: readonly L[],
  cases: readonly C[],
  check: (lane: L, one: C) => Promise<void>,
): Promise<void> {
  const left = [...cases];
  await Promise.all(
    lanes.map(async (lane) => {
      for (let one = left.shift(); one !== undefined; one = left.shift()) await check(lane, one);
    }),
  );
}
