/**
 * A placement problem in numbers, for searches that try millions of placements. Items are what moves as one (see `Unit`),
 * hosts those that take part; all arrays are flat and never change. Costs are in one unit, whatever that is.
 */
export interface Problem {
  readonly items: number;
  readonly hosts: number;
  readonly dimensions: number;
  /** What an item needs: `need[item * dimensions + d]`. */
  readonly need: Float64Array;
  /** What the items of this problem may use of a host: `free[host * dimensions + d]`. */
  readonly free: Float64Array;
  /** The host of an item now; `NOWHERE` when it has none yet. */
  readonly start: Int32Array;
  /** Paid for an item that ends elsewhere than it starts. */
  readonly moveCost: Float64Array;
  /** Paid once for a host on which any item ends. */
  readonly openCost: Float64Array;
  /** Paid for an item on a host, beside that. Absent where all hosts are alike. */
  readonly placeCost?: PlaceCost;
  /** May the item be on the host, whatever else is there? `allowed[item * hosts + host]`. */
  readonly allowed: Uint8Array;
  readonly rules: readonly Rule[];
  /** No more of what a move counts may move than this. */
  readonly mostMoves: number;
  /** What a move of the item counts: how many VEEs it is. */
  readonly moves: Int32Array;
}

/** By kinds of hosts, of which there are few: `of[item * kinds + kindOf[host]]`, 0 or more, and 0 on the cheapest it may be on. */
export interface PlaceCost {
  readonly kinds: number;
  readonly kindOf: Int32Array;
  readonly of: Float64Array;
}

export const placeCostOf = ({ placeCost }: Problem, item: number, host: number): number =>
  placeCost ? (placeCost.of[item * placeCost.kinds + (placeCost.kindOf[host] as number)] as number) : 0;

export const NOWHERE = -1;

/**
 * A rule about which items share a place: a host, or what hosts have in common. Of one colour are those that it treats
 * alike; most rules know one only.
 */
export interface Rule {
  /**
   * Its items share one place; or a place has at most so many of them; or a place has those of one colour only; or a place that
   * any go to has in the end at most so many more than the one of `open` that has the fewest (`spread`); or they go to at most so
   * many places where nobody is (`few-places`).
   */
  readonly kind: 'together' | 'at-most' | 'one-colour' | 'spread' | 'few-places';
  readonly most: number;
  /** The places that a spread counts. Absent for all others. */
  readonly open?: Int32Array;
  readonly items: Int32Array;
  /** By position in `items`: how many count, and of which colour. */
  readonly counts: Int32Array;
  readonly colours: Int32Array;
  readonly colourCount: number;
  /** The place of each host. */
  readonly placeOf: Int32Array;
  readonly places: number;
  /** How many are there that are no items of this problem: `resident[colour * places + place]`. */
  readonly resident: Int32Array;
}

/** The host of each item, `NOWHERE` for one without. */
export type Placement = Int32Array;

/** What a placement costs: lower is better. */
export function costOf(problem: Problem, placement: Placement): number {
  const open = new Set(placement);
  open.delete(NOWHERE);
  let cost = 0;
  for (const host of open) cost += problem.openCost[host] ?? 0;
  for (const [item, host] of placement.entries()) {
    if (host !== problem.start[item]) cost += problem.moveCost[item] ?? 0;
    if (host !== NOWHERE) cost += placeCostOf(problem, item, host);
  }
  return cost;
}

export function movesOf(problem: Problem, placement: Placement): number {
  let moves = 0;
  for (const [item, host] of placement.entries())
    if (host !== problem.start[item]) moves += problem.moves[item] ?? 0;
  return moves;
}
