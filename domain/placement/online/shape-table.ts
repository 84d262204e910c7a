const FEWEST = 1_024;

/**
 * Sizes, each once, known by their numbers: there may be as many as there are VEEs, so they take few bytes each. Amounts are
 * whole numbers below 2^32, as those of manifests are.
 */
export class ShapeTable {
  /** `needs[shape * dimensions + d]`; another array once it has grown. */
  needs: Uint32Array<ArrayBuffer>;
  readonly dimensions: number;
  private slots = new Int32Array(2 * FEWEST).fill(-1);
  private count = 0;

  constructor(dimensions: number) {
    this.dimensions = dimensions;
    this.needs = new Uint32Array(FEWEST * dimensions);
  }

  numberOf(need: readonly number[]): number {
    const at = this.find(need);
    const known = this.slots[at] as number;
    if (known >= 0) return known;
    const shape = this.count++;
    if ((shape + 1) * this.dimensions > this.needs.length) {
      const wider = new Uint32Array(2 * this.needs.length);
      wider.set(this.needs);
      this.needs = wider;
    }
    this.needs.set(need, shape * this.dimensions);
    this.slots[at] = shape;
    if (4 * this.count > 3 * this.slots.length) this.rehash();
    return shape;
  }

  private find(need: readonly number[]): number {
    const mask = this.slots.length - 1;
    let hash = 17;
    for (const amount of need) {
      hash = Math.imul(hash, 31) ^ Math.imul(amount | 0, 0x9e3779b1) ^ Math.floor(amount / 2 ** 32);
    }
    let at = (hash ^ (hash >>> 15)) & mask;
    while ((this.slots[at] as number) >= 0 && !this.isOf(this.slots[at] as number, need))
      at = (at + 1) & mask;
    return at;
  }

  private isOf(shape: number, need: readonly number[]): boolean {
    for (let d = 0; d < this.dimensions; d++)
      if (this.needs[shape * this.dimensions + d] !== need[d]) return false;
    return true;
  }

  private rehash(): void {
    this.slots = new Int32Array(2 * this.slots.length).fill(-1);
    for (let shape = 0; shape < this.count; shape++) {
      const from = shape * this.dimensions;
      this.slots[this.find([...this.needs.subarray(from, from + this.dimensions)])] = shape;
    }
  }
}
