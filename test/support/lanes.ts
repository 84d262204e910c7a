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
