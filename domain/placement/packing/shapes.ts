import type { PackingProblem } from './problem';

/** What items are there that need the same: clouds have some dozens of flavours, whatever the number of their VEEs. */
export interface Shapes {
  readonly shapes: number;
  readonly dimensions: number;
  /** `need[shape * dimensions + d]` */
  readonly need: Float64Array;
  readonly capacity: Float64Array;
  /** How many there are of a shape, and which. */
  readonly count: Int32Array;
  readonly itemsOf: readonly (readonly number[])[];
}

/** How many of each shape one host takes. */
export type Pattern = Int32Array;

/** Nothing when there are more than so many. */
export function shapesOf(problem: PackingProblem, most: number): Shapes | undefined {
  const { items, dimensions, need, capacity } = problem;
  const itemsOf = new Map<string, number[]>();
  for (let item = 0; item < items; item++) {
    const key = need.subarray(item * dimensions, (item + 1) * dimensions).join();
    const alike = itemsOf.get(key);
    if (alike) alike.push(item);
    else if (itemsOf.size === most) return undefined;
    else itemsOf.set(key, [item]);
  }
  const groups = [...itemsOf.values()];
  return {
    shapes: groups.length,
    dimensions,
    need: Float64Array.from(
      groups.flatMap(([first = 0]) => [...need.subarray(first * dimensions, (first + 1) * dimensions)]),
    ),
    capacity,
    count: Int32Array.from(groups, (g) => g.length),
    itemsOf: groups,
  };
}

/** So many of it alone a host has room for, of those that there are. */
export function mostOf({ dimensions, need, capacity, count }: Shapes, shape: number): number {
  let most = count[shape] as number;
  for (let d = 0; d < dimensions; d++) {
    const each = need[shape * dimensions + d] as number;
    if (each > 0) most = Math.min(most, Math.floor((capacity[d] as number) / each));
  }
  return most;
}
