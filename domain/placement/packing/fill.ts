import { pick, randomFrom, shuffled } from '../optimize/random';
import { Pool } from './pool';
import type { PackingProblem } from './problem';

/** How thorough a filling is. */
export interface Thoroughness {
  /** So many items are looked at for what a host takes last, at most. */
  readonly looks: number;
  /** A host takes its last ones when it has room for so many of mean size. */
  readonly lastOnes: number;
}

/** Of so many items, spread evenly, a host takes the best each time, until its last ones. */
const SAMPLE = 400;
/** So many items are known at once: more fit better, and cost more. */
const MOST_AT_ONCE = 10_000;
/** Others join when so few of them are left: to the last ones little fits. */
const FEW = 0.05;
/** So many hosts are filled between two questions of whether to go on. */
const HOSTS_BETWEEN_LOOKS = 64;

/**
 * Fills host after host, each time with the item whose need goes best with what is left of the host, dimension by dimension
 * (the dot product of Panigrahy, Talwar, Uyeda and Wieder, "Heuristics for Vector Bin Packing", 2011). That alone wastes
 * 2 %, for the last gap of a host is as it happens to be. So the last two items are chosen together, such that they leave
 * least, as subsets are in the minimum bin slack of Gupta and Ho (1999).
 * @param items which to pack, all others being left alone
 * @param isOver asked now and then: an answer would come too late
 * @returns the items of each host; nothing when it was over before all of them had one
 */
export function filled(
  problem: PackingProblem,
  items: Int32Array,
  seed: string,
  thoroughness: Thoroughness,
  isOver: () => boolean = () => false,
): number[][] | undefined {
  const filling = new Filling(problem, items, seed, thoroughness);
  const hosts: number[][] = [];
  while (filling.isUnfinished()) {
    if (hosts.length % HOSTS_BETWEEN_LOOKS === 0 && isOver()) return undefined;
    hosts.push(filling.nextHost());
  }
  return hosts;
}

class Filling {
  private readonly pool: Pool;
  private readonly random: () => number;
  private readonly thoroughness: Thoroughness;
  private readonly few: number;
  private readonly meanSize: number;
  /** Of the host that is being filled: what is left of it, the same weighted, and what it has. */
  private left0 = 0;
  private left1 = 0;
  private left2 = 0;
  private left3 = 0;
  private room = 0;
  private chosen: number[] = [];
  private looks = 0;

  constructor(problem: PackingProblem, items: Int32Array, seed: string, thoroughness: Thoroughness) {
    this.random = randomFrom(seed);
    // In equal parts, so that the last of them is not small.
    const atOnce = Math.ceil(items.length / Math.max(1, Math.ceil(items.length / MOST_AT_ONCE)));
    this.pool = new Pool(problem, Int32Array.from(shuffled([...items], this.random)), atOnce);
    this.few = Math.floor(FEW * atOnce);
    this.thoroughness = thoroughness;
    const { size, length } = this.pool;
    this.meanSize = size.reduce((a, b) => a + b, 0) / Math.max(1, length);
  }

  isUnfinished(): boolean {
    return this.pool.left > 0;
  }

  /** Takes what the next host has out of the pool. */
  nextHost(): number[] {
    const { capacity, weight } = this.pool;
    this.left0 = capacity[0] as number;
    this.left1 = capacity[1] as number;
    this.left2 = capacity[2] as number;
    this.left3 = capacity[3] as number;
    this.room = capacity.reduce((sum, c, d) => sum + c * (weight[d] as number), 0);
    this.chosen = [];
    this.looks = this.thoroughness.looks;
    while (this.room > this.thoroughness.lastOnes * this.meanSize) {
      const at = this.bestOfSample();
      if (at === undefined) break;
      this.put(at);
    }
    while (this.putLast());
    return this.chosen;
  }

  private put(at: number): void {
    const { pool } = this;
    this.left0 -= pool.need0[at] as number;
    this.left1 -= pool.need1[at] as number;
    this.left2 -= pool.need2[at] as number;
    this.left3 -= pool.need3[at] as number;
    this.room -= pool.size[at] as number;
    pool.take(at);
    this.chosen.push(pool.item[at] as number);
  }

  private bestOfSample(): number | undefined {
    this.pool.tidy(this.few);
    const { pool, left0, left1, left2, left3 } = this;
    const { need0, need1, need2, need3, capacity, weight, taken, length } = pool;
    // What is left, as a share of the host: a unit must not count twice.
    const worth = [left0, left1, left2, left3].map((left, d) => {
      const has = capacity[d] as number;
      return has > 0 ? (left / has) * (weight[d] as number) : 0;
    }) as [number, number, number, number];
    const [worth0, worth1, worth2, worth3] = worth;
    const stride = Math.max(1, Math.floor(length / SAMPLE));
    let best: number | undefined;
    let most = -1;
    for (let at = pick(stride, this.random); at < length; at += stride) {
      if (taken[at] === 1) continue;
      const n0 = need0[at] as number;
      const n1 = need1[at] as number;
      const n2 = need2[at] as number;
      const n3 = need3[at] as number;
      if (n0 > left0 || n1 > left1 || n2 > left2 || n3 > left3) continue;
      const match = n0 * worth0 + n1 * worth1 + n2 * worth2 + n3 * worth3;
      if (match > most) {
        most = match;
        best = at;
      }
    }
    return best;
  }

  /** Puts the one or the two that leave least. @returns whether there was any that fits */
  private putLast(): boolean {
    this.pool.tidy(this.few);
    const { pool, room } = this;
    const { size, length } = pool;
    const one = this.largestWithin(this.left0, this.left1, this.left2, this.left3, room, -1, -1);
    if (one === undefined) return false;
    let [first, second] = [one, undefined as number | undefined];
    let least = room - (size[one] as number);
    // All over the pool, each once: a stride that has no divisor in common with its length.
    const stride = coprime(length);
    let at = pick(length, this.random);
    for (let n = 0; n < length && this.looks > 0; n++) {
      at = (at + stride) % length;
      this.looks--;
      if (pool.taken[at] === 1) continue;
      const after0 = this.left0 - (pool.need0[at] as number);
      const after1 = this.left1 - (pool.need1[at] as number);
      const after2 = this.left2 - (pool.need2[at] as number);
      const after3 = this.left3 - (pool.need3[at] as number);
      if (after0 < 0 || after1 < 0 || after2 < 0 || after3 < 0) continue;
      const left = room - (size[at] as number);
      const other = this.largestWithin(after0, after1, after2, after3, left, left - least, at);
      if (other === undefined) continue;
      [first, second] = [at, other];
      least = left - (size[other] as number);
    }
    this.put(first);
    if (second !== undefined) this.put(second);
    return true;
  }

  /** The largest that fits there, if it is larger than that: those that are too large all in all are not looked at. */
  private largestWithin(
    left0: number,
    left1: number,
    left2: number,
    left3: number,
    room: number,
    above: number,
    except: number,
  ): number | undefined {
    const { need0, need1, need2, need3, size, taken, length } = this.pool;
    // Weighted sums are rounded; whether it fits is not.
    const from = this.pool.firstWithin(room + 1e-9);
    let found: number | undefined;
    let at = from;
    for (; at < length && (size[at] as number) > above; at++)
      if (
        (need0[at] as number) <= left0 &&
        (need1[at] as number) <= left1 &&
        (need2[at] as number) <= left2 &&
        (need3[at] as number) <= left3 &&
        taken[at] === 0 &&
        at !== except
      ) {
        found = at;
        break;
      }
    this.looks -= at - from;
    return found;
  }
}

/** Near the golden section, so that few steps are all over it. */
function coprime(length: number): number {
  const divides = (a: number, b: number): number => (b === 0 ? a : divides(b, a % b));
  let stride = Math.max(1, Math.floor(length * 0.618));
  while (divides(length, stride) !== 1) stride++;
  return stride;
}
