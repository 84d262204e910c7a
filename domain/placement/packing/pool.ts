import { loadsOf, type PackingProblem } from './problem';

/**
 * What is still to be packed, by size from the largest down, so that what fills a gap best is found by halving. Of a hundred
 * thousand items only some are looked at, by chance; when few of them are left, others join. Mutable, private to one filling.
 * Always four dimensions, of which some may ask for nothing: loops over so few cost more than they do.
 */
export class Pool {
  /** How many there are, taken ones included. */
  length = 0;
  readonly item: Int32Array;
  readonly need0: Float64Array;
  readonly need1: Float64Array;
  readonly need2: Float64Array;
  readonly need3: Float64Array;
  /** Of an item by its place here: what it needs, weighted. */
  readonly size: Float64Array;
  readonly taken: Uint8Array;
  /** What a host has. */
  readonly capacity: Float64Array;
  /** What one unit of a dimension counts: most where it is scarcest, whatever its unit. */
  readonly weight: Float64Array;
  private takenCount = 0;
  private waiting: Int32Array;
  private readonly problem: PackingProblem;

  /** @param items which are to be packed, in the order in which they join; @param most how many are looked at at once */
  constructor(problem: PackingProblem, items: Int32Array, most: number) {
    this.problem = problem;
    this.waiting = items;
    const { capacity } = problem;
    const loads = loadsOf(problem);
    const scarcest = Math.max(...loads);
    this.capacity = Float64Array.from({ length: 4 }, (_, d) => capacity[d] ?? 0);
    this.weight = this.capacity.map((c, d) => (c > 0 && scarcest > 0 ? (loads[d] ?? 0) / scarcest / c : 0));
    const [room, amounts] = [Math.min(items.length, most), () => new Float64Array(room)];
    [this.need0, this.need1, this.need2, this.need3] = [amounts(), amounts(), amounts(), amounts()];
    this.size = amounts();
    this.item = new Int32Array(room);
    this.taken = new Uint8Array(room);
    this.join();
  }

  /** How many of those here are left. */
  get left(): number {
    return this.length - this.takenCount;
  }

  take(at: number): void {
    this.taken[at] = 1;
    this.takenCount++;
  }

  /** The place of the first that is no larger. */
  firstWithin(size: number): number {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.size[middle] as number) > size) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Forgets what is taken, once that is worth it; others join when so few are left. */
  tidy(few: number): void {
    if (this.left <= few && this.waiting.length > 0) this.join();
    else if (this.takenCount * 8 > this.length) this.fill(this.remaining());
  }

  private remaining(): Int32Array {
    return this.item.subarray(0, this.length).filter((_, at) => this.taken[at] === 0);
  }

  private join(): void {
    const here = this.remaining();
    const joining = this.item.length - here.length;
    const all = new Int32Array(here.length + Math.min(joining, this.waiting.length));
    all.set(here);
    all.set(this.waiting.subarray(0, joining), here.length);
    this.waiting = this.waiting.subarray(joining);
    const sizeOf = new Float64Array(this.problem.items);
    for (const item of all) sizeOf[item] = this.sizeOf(item);
    // Equal ones by number: an answer must not depend on how a sort treats them.
    this.fill(all.sort((a, b) => (sizeOf[b] as number) - (sizeOf[a] as number) || a - b));
  }

  /** @param items from the largest down */
  private fill(items: Int32Array): void {
    const { need, dimensions } = this.problem;
    const columns = [this.need0, this.need1, this.need2, this.need3];
    this.length = items.length;
    this.takenCount = 0;
    this.item.set(items);
    this.taken.fill(0);
    for (const [at, item] of items.entries()) {
      for (let d = 0; d < dimensions; d++)
        (columns[d] as Float64Array)[at] = need[item * dimensions + d] as number;
      this.size[at] = this.sizeOf(item);
    }
  }

  private sizeOf(item: number): number {
    const { need, dimensions } = this.problem;
    let size = 0;
    for (let d = 0; d < dimensions; d++)
      size += (need[item * dimensions + d] as number) * (this.weight[d] as number);
    return size;
  }
}
