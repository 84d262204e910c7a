import { bestPattern } from './pattern';
import { mostOf, type Pattern, type Shapes } from './shapes';

/** How often a pattern is used: not a whole number of times. */
export interface UsedPattern {
  readonly pattern: Pattern;
  readonly times: number;
}

/** So long a better pattern is looked for, at first and before it is given up. */
const NODES = 5000;
const NODES_AT_LAST = 200000;
/** For all patterns: some half a second. */
const NODES_IN_ALL = 15_000_000;
const EPSILON = 1e-7;

/**
 * Which patterns hold all items on fewest hosts, if hosts could be had in part: the linear program of Gilmore and Gomory
 * (1961), by the simplex method with an inverse basis, whose next column is the pattern that is worth most at the prices of
 * the last. Ends with the best there is, or when it is over, or when none better is found soon: an answer in any case.
 * @param enough with so few hosts it ends, too
 */
export function bestPatterns(shapes: Shapes, enough: number, isOver: () => boolean): UsedPattern[] {
  const simplex = new Simplex(shapes);
  for (let nodes = 0; nodes < NODES_IN_ALL && simplex.hosts() > enough && !isOver(); ) {
    const prices = simplex.prices();
    let found = bestPattern(shapes, prices, 1 + EPSILON, NODES);
    nodes += found.nodes;
    if (!found.pattern) {
      found = bestPattern(shapes, prices, 1 + EPSILON, NODES_AT_LAST);
      nodes += found.nodes;
    }
    if (!found.pattern || !simplex.enter(found.pattern)) break;
  }
  return simplex.used();
}

class Simplex {
  private readonly size: number;
  /** By row: the pattern in the basis, how often it is used, and its row of the inverse. */
  private readonly patterns: Pattern[];
  private readonly times: Float64Array;
  private readonly inverse: readonly Float64Array[];

  /** Begins with hosts of one shape each. */
  constructor(shapes: Shapes) {
    this.size = shapes.shapes;
    const each = Array.from({ length: this.size }, (_, shape) => mostOf(shapes, shape));
    const unit = (at: number, value: number) => {
      const row = new Float64Array(this.size);
      row[at] = value;
      return row;
    };
    this.patterns = each.map((most, shape) => Int32Array.from(unit(shape, most)));
    this.times = Float64Array.from(each, (most, shape) => (shapes.count[shape] as number) / most);
    this.inverse = each.map((most, shape) => unit(shape, 1 / most));
  }

  hosts(): number {
    return this.times.reduce((a, b) => a + b, 0);
  }

  /** Of one item of each shape, in hosts. */
  prices(): Float64Array {
    const prices = new Float64Array(this.size);
    for (const row of this.inverse)
      for (let shape = 0; shape < this.size; shape++)
        prices[shape] = (prices[shape] as number) + (row[shape] as number);
    return prices;
  }

  /** @returns whether it could: rounding may leave nothing for which it could be put in */
  enter(pattern: Pattern): boolean {
    const { size, times, inverse } = this;
    const change = Float64Array.from(inverse, (row) => {
      let sum = 0;
      for (let shape = 0; shape < size; shape++) sum += (row[shape] as number) * (pattern[shape] as number);
      return sum;
    });
    let leaving = -1;
    let use = Infinity;
    for (let row = 0; row < size; row++)
      if ((change[row] as number) > EPSILON && (times[row] as number) / (change[row] as number) < use) {
        leaving = row;
        use = (times[row] as number) / (change[row] as number);
      }
    if (leaving < 0) return false;
    for (let row = 0; row < size; row++)
      times[row] = Math.max(0, (times[row] as number) - use * (change[row] as number));
    times[leaving] = use;
    this.patterns[leaving] = pattern;
    const pivot = inverse[leaving] as Float64Array;
    for (let shape = 0; shape < size; shape++)
      pivot[shape] = (pivot[shape] as number) / (change[leaving] as number);
    for (let row = 0; row < size; row++) {
      const factor = change[row] as number;
      if (row === leaving || factor === 0) continue;
      const other = inverse[row] as Float64Array;
      for (let shape = 0; shape < size; shape++)
        other[shape] = (other[shape] as number) - factor * (pivot[shape] as number);
    }
    return true;
  }

  used(): UsedPattern[] {
    return this.patterns.map((pattern, row) => ({ pattern, times: this.times[row] as number }));
  }
}
