const FEWEST = 1_024;

/**
 * How many of something are at a place, for pairs of which most are nought: an open-addressing hash table over typed arrays,
 * as a map of maps would take hundreds of bytes for each of a hundred thousand VEEs.
 */
export class Counters {
  private whats = new Int32Array(FEWEST).fill(-1);
  private places = new Int32Array(FEWEST);
  private counts = new Int32Array(FEWEST);
  private taken = 0;

  get(what: number, place: number): number {
    const at = this.find(what, place);
    return (this.whats[at] as number) < 0 ? 0 : (this.counts[at] as number);
  }

  add(what: number, place: number, by: number): void {
    let at = this.find(what, place);
    if ((this.whats[at] as number) < 0) {
      if (4 * (this.taken + 1) > 3 * this.whats.length) {
        this.rehash();
        at = this.find(what, place);
      }
      this.whats[at] = what;
      this.places[at] = place;
      this.counts[at] = 0;
      this.taken++;
    }
    this.counts[at] = (this.counts[at] as number) + by;
  }

  private find(what: number, place: number): number {
    const mask = this.whats.length - 1;
    let at = (Math.imul(what, 0x9e3779b1) ^ Math.imul(place, 0x85ebca6b)) >>> 0;
    at = (at ^ (at >>> 15)) & mask;
    while ((this.whats[at] as number) >= 0 && (this.whats[at] !== what || this.places[at] !== place))
      at = (at + 1) & mask;
    return at;
  }

  /** What has come down to nought is let go of here: taking it out at once would break the chains of others. */
  private rehash(): void {
    const { whats, places, counts } = this;
    let living = 0;
    for (let at = 0; at < whats.length; at++) if ((whats[at] as number) >= 0 && counts[at] !== 0) living++;
    let size = FEWEST;
    while (size < 2 * (living + 1)) size *= 2;
    this.whats = new Int32Array(size).fill(-1);
    this.places = new Int32Array(size);
    this.counts = new Int32Array(size);
    this.taken = 0;
    for (let at = 0; at < whats.length; at++)
      if ((whats[at] as number) >= 0 && counts[at] !== 0)
        this.add(whats[at] as number, places[at] as number, counts[at] as number);
  }
}
