/** More kinds of capacity than this no host has: processor, memory, disk, bandwidth. */
export const MOST_DIMENSIONS = 4;

/**
 * How few hosts, all alike, hold all of the VEEs: vector bin packing, for planning a site rather than for running it. Nothing
 * is placed yet and nothing is pinned, so VEEs are told apart by what they need only. All amounts are whole numbers, in
 * whatever unit their dimension has, so that sums are exact.
 */
export interface PackingProblem {
  readonly items: number;
  readonly dimensions: number;
  /** What an item needs: `need[item * dimensions + d]`. */
  readonly need: Float64Array;
  /** What each host has of dimension `d`. */
  readonly capacity: Float64Array;
}

export interface Packing {
  /** The host of each item, numbered from 0 without a gap. */
  readonly hostOf: Int32Array;
  readonly hosts: number;
}

/** Asked to pack what no number of hosts can hold. */
export class TooLarge extends Error {
  override readonly name = 'TooLarge';
  readonly item: number;
  readonly dimension: number;

  constructor(item: number, dimension: number, need: number, capacity: number) {
    super(`item ${item} needs ${need} in dimension ${dimension}, of which a host has ${capacity}`);
    this.item = item;
    this.dimension = dimension;
  }
}

/** @throws {RangeError} of arrays that do not fit together, and of amounts that are none; {TooLarge} of too large an item */
export function checked(problem: PackingProblem): PackingProblem {
  const { items, dimensions, need, capacity } = problem;
  if (!(dimensions >= 1 && dimensions <= MOST_DIMENSIONS))
    throw new RangeError(`hosts have 1 to ${MOST_DIMENSIONS} dimensions, not ${dimensions}`);
  if (need.length !== items * dimensions || capacity.length !== dimensions)
    throw new RangeError(
      `${items} items in ${dimensions} dimensions have ${need.length} needs and ${capacity.length} capacities`,
    );
  const isAmount = (amount: number) => Number.isSafeInteger(amount) && amount >= 0;
  const [odd] = [...capacity].filter((amount) => !isAmount(amount));
  if (odd !== undefined) throw new RangeError(`a host can't have ${odd} of anything`);
  for (const [cell, amount] of need.entries()) {
    const item = Math.floor(cell / dimensions);
    if (!isAmount(amount)) throw new RangeError(`item ${item} can't need ${amount} of anything`);
    const most = capacity[cell % dimensions] ?? 0;
    if (amount > most) throw new TooLarge(item, cell % dimensions, amount, most);
  }
  return problem;
}

/** Of all items together, in hosts, by dimension: what the scarcest one asks for is the bound. */
export function loadsOf({ items, dimensions, need, capacity }: PackingProblem): Float64Array {
  const loads = new Float64Array(dimensions);
  for (let item = 0; item < items; item++)
    for (let d = 0; d < dimensions; d++)
      loads[d] = (loads[d] as number) + (need[item * dimensions + d] as number);
  // Of what a host has nothing nobody needs any.
  return loads.map((sum, d) => (sum > 0 ? sum / (capacity[d] as number) : 0));
}
