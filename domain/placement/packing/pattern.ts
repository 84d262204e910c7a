import { mostOf, type Pattern, type Shapes } from './shapes';

interface Searched {
  /** None when none was found. */
  readonly pattern: Pattern | undefined;
  /** How long it took. */
  readonly nodes: number;
}

/**
 * The pattern that is worth most of those worth more than that: a knapsack, searched depth first, what is worth most for its
 * size first. A branch is left when what is left of the host, in its tightest dimension, can't be worth enough.
 * @param worth of one of each shape
 * @param mostNodes how long to look
 */
export function bestPattern(shapes: Shapes, worth: Float64Array, above: number, mostNodes: number): Searched {
  return new Knapsack(shapes, worth, above, mostNodes).solve();
}

class Knapsack {
  private readonly shapes: Shapes;
  /** Those worth anything, in the order in which they are tried. */
  private readonly order: readonly number[];
  private readonly worth: Float64Array;
  /** By rank in the order: the most that a unit of a dimension is worth from there on, `perUnit[rank * dimensions + d]`. */
  private readonly perUnit: Float64Array;
  /** Of a shape, as a share of the host over all dimensions, weighted so that the bound is tight. */
  private readonly size: Float64Array;
  /** By rank: what a host filled with that one alone, in pieces, is worth; those after it are worth no more. */
  private readonly rate: Float64Array;
  private readonly most: Int32Array;
  private readonly left: Float64Array;
  private readonly current: Pattern;
  private best: Pattern | undefined;
  private bestWorth: number;
  private readonly mostNodes: number;
  private spent = 0;

  constructor(shapes: Shapes, worth: Float64Array, above: number, mostNodes: number) {
    const { dimensions, need, capacity } = shapes;
    this.shapes = shapes;
    this.worth = worth;
    this.bestWorth = above;
    this.mostNodes = mostNodes;
    this.left = capacity.slice();
    this.current = new Int32Array(shapes.shapes);
    this.size = sizesOf(shapes, worth);
    const rate = worth.map((w, shape) => w / (this.size[shape] as number));
    this.order = [...worth.keys()]
      .filter((shape) => (worth[shape] as number) > 1e-9)
      .sort((a, b) => (rate[b] as number) - (rate[a] as number) || a - b);
    this.rate = Float64Array.from(this.order, (shape) => rate[shape] as number);
    this.most = Int32Array.from(this.order, (shape) => mostOf(shapes, shape));
    this.perUnit = new Float64Array((this.order.length + 1) * dimensions);
    for (let rank = this.order.length - 1; rank >= 0; rank--) {
      const shape = this.order[rank] as number;
      for (let d = 0; d < dimensions; d++)
        this.perUnit[rank * dimensions + d] = Math.max(
          this.perUnit[(rank + 1) * dimensions + d] as number,
          (worth[shape] as number) / (need[shape * dimensions + d] as number),
        );
    }
  }

  solve(): Searched {
    // A little more than it has: sizes are rounded.
    this.descend(0, 0, 1 + 1e-9);
    return { pattern: this.best, nodes: this.spent };
  }

  private descend(rank: number, worth: number, room: number): void {
    if (worth > this.bestWorth) {
      this.bestWorth = worth;
      this.best = this.current.slice();
    }
    if (rank === this.order.length || this.spent >= this.mostNodes) return;
    this.spent++;
    if (worth + room * (this.rate[rank] as number) <= this.bestWorth) return;
    const { dimensions, need } = this.shapes;
    const { left, perUnit } = this;
    for (let d = 0; d < dimensions; d++)
      if (worth + (left[d] as number) * (perUnit[rank * dimensions + d] as number) <= this.bestWorth) return;
    const shape = this.order[rank] as number;
    const first = shape * dimensions;
    let many = this.most[rank] as number;
    for (let d = 0; d < dimensions; d++) {
      const each = need[first + d] as number;
      if (each > 0) many = Math.min(many, Math.floor((left[d] as number) / each));
    }
    for (let d = 0; d < dimensions; d++) left[d] = (left[d] as number) - many * (need[first + d] as number);
    for (; many > 0; many--) {
      this.current[shape] = many;
      this.descend(
        rank + 1,
        worth + many * (this.worth[shape] as number),
        room - many * (this.size[shape] as number),
      );
      for (let d = 0; d < dimensions; d++) left[d] = (left[d] as number) + (need[first + d] as number);
    }
    this.current[shape] = 0;
    this.descend(rank + 1, worth, room);
  }
}

const WEIGHINGS = 100;

/**
 * What a shape takes of a host, its dimensions weighted such that the shape that is worth most for its size is worth least:
 * that is the dual of the knapsack that may cut items, solved by multiplying weights. Any weights give a valid bound.
 */
function sizesOf({ shapes, dimensions, need, capacity }: Shapes, worth: Float64Array): Float64Array {
  const share = need.map((amount, cell) =>
    amount > 0 ? amount / (capacity[cell % dimensions] as number) : 0,
  );
  const weight = new Float64Array(dimensions).fill(1 / dimensions);
  let best = new Float64Array(shapes);
  let least = Infinity;
  for (let n = 1; n <= WEIGHINGS; n++) {
    const size = new Float64Array(shapes);
    let dearest = 0;
    let most = -1;
    for (let shape = 0; shape < shapes; shape++) {
      let sum = 0;
      for (let d = 0; d < dimensions; d++)
        sum += (share[shape * dimensions + d] as number) * (weight[d] as number);
      size[shape] = sum;
      if ((worth[shape] as number) <= most * sum) continue;
      most = (worth[shape] as number) / sum;
      dearest = shape;
    }
    if (most < least) [best, least] = [size, most];
    let sum = 0;
    for (let d = 0; d < dimensions; d++) {
      const part = (share[dearest * dimensions + d] as number) / (size[dearest] as number);
      weight[d] = (weight[d] as number) * Math.exp((part - 1) / (2 + n / 4));
      sum += weight[d] as number;
    }
    for (let d = 0; d < dimensions; d++) weight[d] = (weight[d] as number) / sum;
  }
  return best;
}
