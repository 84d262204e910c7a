/** How finely hosts are told apart by how full they are. */
export const BUCKETS = 64;
const NONE = -1;

/**
 * The hosts of each group by how full they are, in doubly linked lists over typed arrays: putting one elsewhere takes the
 * same few steps in a site of any size, and bits say which groups have any in a bucket.
 */
export class Buckets {
  private readonly heads: Int32Array;
  private readonly nexts: Int32Array;
  private readonly previous: Int32Array;
  /** The list that a host is in: `group * BUCKETS + bucket`, or `NONE`. */
  private readonly listOf: Int32Array;
  /** By bucket a bit for each group: has it any there? */
  private readonly present: Uint32Array;
  /** Words of bits for all groups. */
  readonly words: number;

  constructor(hosts: number, groups: number) {
    this.heads = new Int32Array(groups * BUCKETS).fill(NONE);
    this.nexts = new Int32Array(hosts).fill(NONE);
    this.previous = new Int32Array(hosts).fill(NONE);
    this.listOf = new Int32Array(hosts).fill(NONE);
    this.words = (groups + 31) >>> 5;
    this.present = new Uint32Array(BUCKETS * this.words);
  }

  first(group: number, bucket: number): number {
    return this.heads[group * BUCKETS + bucket] as number;
  }

  next(host: number): number {
    return this.nexts[host] as number;
  }

  /** @param load from 0 to 1; more counts as full */
  enter(host: number, group: number, load: number): void {
    const bucket = Math.min(BUCKETS - 1, Math.max(0, Math.floor(load * BUCKETS)));
    const list = group * BUCKETS + bucket;
    if (this.listOf[host] === list) return;
    this.leave(host);
    const head = this.heads[list] as number;
    this.nexts[host] = head;
    this.previous[host] = NONE;
    if (head !== NONE) this.previous[head] = host;
    this.heads[list] = host;
    this.listOf[host] = list;
    this.mark(group, bucket, true);
  }

  leave(host: number): void {
    const list = this.listOf[host] as number;
    if (list === NONE) return;
    const [before, after] = [this.previous[host] as number, this.nexts[host] as number];
    if (before === NONE) this.heads[list] = after;
    else this.nexts[before] = after;
    if (after !== NONE) this.previous[after] = before;
    this.listOf[host] = NONE;
    if (this.heads[list] === NONE) this.mark(Math.floor(list / BUCKETS), list % BUCKETS, false);
  }

  /** The bits of 32 groups that have any in a bucket. */
  groupsIn(bucket: number, word: number): number {
    return this.present[bucket * this.words + word] as number;
  }

  private mark(group: number, bucket: number, any: boolean): void {
    const at = bucket * this.words + (group >>> 5);
    const bit = 1 << (group & 31);
    const bits = this.present[at] as number;
    this.present[at] = any ? bits | bit : bits & ~bit;
  }
}
