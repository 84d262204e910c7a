import { Draft } from '../placement/optimize/draft';
import type { Placement, Problem } from '../placement/optimize/problem';
import { randomFrom } from '../placement/optimize/random';

export interface Unevenness {
  /** Of the hosts of the problem: `capacity[host * dimensions + d]`. */
  readonly capacity: Float64Array;
  /** What each item is to the load of its host: `load[item * dimensions + d]`. */
  readonly load: Float64Array;
  /** The loads of the hosts with all items where they begin. */
  readonly hostLoad: Float64Array;
  /** The share of the site that is in use, by dimension. */
  readonly mean: readonly number[];
  /** What it is worth not to move an item, in terms of unevenness. */
  readonly prices: Float64Array;
}

/** Tries for each move that there is, and all in all: some seconds. */
const TRIES_A_MOVE = 2_000;
const MOST_TRIES = 1_000_000;
/** Hosts that are looked at for one that goes elsewhere. */
const LOOKS = 6;
/**
 * How much worse a try may leave it at first, in terms of what a host is uneven by. The first is right where nearly all that is worth it
 * moves, the second where few of many may: hosts are very uneven then, and what a move is worth beside another is little.
 */
const TOLERANCES = [1, 0.005];

/**
 * Betters a choice of moves: other hosts for what moves, or others in place of it, and never more of them (threshold
 * accepting, Dueck and Scheuer 1990). The same problem and choice give the same answer.
 * @param choice a placement that obeys the problem
 * @returns one that is worth more, or the same one
 */
export function refine(problem: Problem, unevenness: Unevenness, choice: Placement): Placement {
  const found = TOLERANCES.map((tolerance) => new Refinement(problem, unevenness, choice).run(tolerance));
  return found.reduce((best, one) => (one.value < best.value - 1e-9 ? one : best)).placement;
}

class Refinement {
  private readonly problem: Problem;
  private readonly capacity: Float64Array;
  private readonly load: Float64Array;
  /** As it is now, see `Unevenness.hostLoad`. */
  private readonly hostLoad: Float64Array;
  private readonly mean: readonly number[];
  private readonly prices: Float64Array;
  private readonly draft: Draft;
  private readonly random = randomFrom('refine');
  /** Items that are elsewhere than they began, and where each is in that list. */
  private readonly moved: number[] = [];
  private readonly position: Int32Array;
  private readonly mostMoves: number;
  private readonly mostPaid: number;
  /** The prices of all that have moved. */
  private paid = 0;
  /** What to undo when a try is not kept: pairs of an item and the host that it was on. */
  private readonly log: number[] = [];
  /** The hosts of this try, and what they were uneven by before it. */
  private readonly touched: number[] = [];
  private before = 0;

  constructor(problem: Problem, { capacity, load, hostLoad, mean, prices }: Unevenness, choice: Placement) {
    this.problem = problem;
    this.load = load;
    this.hostLoad = hostLoad.slice();
    this.capacity = capacity;
    this.mean = mean;
    this.prices = prices;
    this.draft = new Draft(problem);
    this.position = new Int32Array(problem.items).fill(-1);
    for (const [item, host] of choice.entries())
      if (host !== problem.start[item]) {
        this.take(item);
        this.put(item, host);
      }
    this.mostMoves = this.draft.moves;
    this.mostPaid = this.paid + 1e-9;
  }

  run(tolerance: number): { readonly placement: Placement; readonly value: number } {
    const { draft, moved, touched } = this;
    let best = draft.placement();
    let value = 0;
    for (let host = 0; host < this.problem.hosts; host++) value += this.unevennessOf(host);
    let bestValue = value;
    const slack = (tolerance * value) / Math.max(1, this.problem.hosts);
    const tries = Math.min(MOST_TRIES, TRIES_A_MOVE * moved.length);
    for (let n = 0; n < tries && moved.length > 0; n++) {
      this.log.length = 0;
      touched.length = 0;
      this.before = 0;
      const done = this.change() && draft.moves <= this.mostMoves && this.paid <= this.mostPaid;
      let now = 0;
      for (const host of touched) now += this.unevennessOf(host);
      const worse = now - this.before;
      if (!done || worse > slack * (1 - n / tries) ** 2 * this.random()) {
        this.rollBack();
        continue;
      }
      value += worse;
      if (value >= bestValue - 1e-9) continue;
      bestValue = value;
      best = draft.placement();
    }
    return { placement: best, value: bestValue };
  }

  /** @returns whether something has changed, and is allowed */
  private change(): boolean {
    const { draft, moved, problem } = this;
    const item = moved[this.pick(moved.length)] as number;
    const home = problem.start[item] as number;
    const dice = this.random();
    if (dice < 0.3) return this.send(item, this.someHost(item));
    if (dice < 0.5) return this.exchange(item, moved[this.pick(moved.length)] as number);
    if (dice < 0.55) return this.send(item, home);
    // Another one goes in its place, mostly from the same host.
    const host = draft.hostOf[item] as number;
    const mates = draft.itemsOn[home] as readonly number[];
    const other =
      dice < 0.9 && mates.length > 0 ? (mates[this.pick(mates.length)] as number) : this.pick(problem.items);
    if (other === item || draft.hostOf[other] !== problem.start[other] || !this.send(item, home))
      return false;
    return this.send(other, dice < 0.85 ? host : this.someHost(other));
  }

  private send(item: number, to: number): boolean {
    const from = this.draft.hostOf[item] as number;
    this.touch(from);
    this.touch(to);
    this.take(item);
    const may = this.may(item, to);
    this.put(item, may ? to : from);
    if (may) this.log.push(item, from);
    return may;
  }

  /** Each goes where the other one goes. */
  private exchange(a: number, b: number): boolean {
    const [hostA, hostB] = [this.draft.hostOf[a] as number, this.draft.hostOf[b] as number];
    if (hostA === hostB) return false;
    this.touch(hostA);
    this.touch(hostB);
    this.take(a);
    this.take(b);
    const first = this.may(a, hostB);
    this.put(a, first ? hostB : hostA);
    const second = first && this.may(b, hostA);
    this.put(b, second ? hostA : hostB);
    if (first) this.log.push(a, hostA);
    if (second) this.log.push(b, hostB);
    return second;
  }

  private may(item: number, host: number): boolean {
    return this.draft.hasRoom(item, host) && this.draft.isAllowed(item, host);
  }

  private touch(host: number): void {
    if (this.touched.includes(host)) return;
    this.touched.push(host);
    this.before += this.unevennessOf(host);
  }

  private rollBack(): void {
    const { log } = this;
    for (let n = log.length - 2; n >= 0; n -= 2) {
      this.take(log[n] as number);
      this.put(log[n] as number, log[n + 1] as number);
    }
  }

  /** Of some hosts the one that is evened out the most, or the least unevened, by one more there. */
  private someHost(item: number): number {
    const { hosts, dimensions } = this.problem;
    let best = 0;
    let least = Infinity;
    for (let look = 0; look < LOOKS; look++) {
      const host = this.pick(hosts);
      let more = 0;
      for (let d = 0; d < dimensions; d++) {
        const of = this.capacity[host * dimensions + d] as number;
        if (of === 0) continue;
        const by = (this.load[item * dimensions + d] as number) / of;
        more += by * (2 * this.offIn(host, d) + by);
      }
      if (more >= least) continue;
      least = more;
      best = host;
    }
    return best;
  }

  private unevennessOf(host: number): number {
    let sum = 0;
    for (let d = 0; d < this.problem.dimensions; d++) sum += this.offIn(host, d) ** 2;
    return sum;
  }

  /** By how much its load is above the mean. */
  private offIn(host: number, d: number): number {
    const cell = host * this.problem.dimensions + d;
    const of = this.capacity[cell] as number;
    return of === 0 ? 0 : (this.hostLoad[cell] as number) / of - (this.mean[d] as number);
  }

  private put(item: number, host: number): void {
    this.draft.put(item, host);
    this.loads(item, host, 1);
    if (host === this.problem.start[item]) return;
    this.position[item] = this.moved.push(item) - 1;
    this.paid += this.prices[item] as number;
  }

  private take(item: number): void {
    this.loads(item, this.draft.hostOf[item] as number, -1);
    this.draft.take(item);
    const at = this.position[item] as number;
    if (at < 0) return;
    const last = this.moved.pop() as number;
    if (last !== item) {
      this.moved[at] = last;
      this.position[last] = at;
    }
    this.position[item] = -1;
    this.paid -= this.prices[item] as number;
  }

  private loads(item: number, host: number, sign: 1 | -1): void {
    const { dimensions } = this.problem;
    for (let d = 0; d < dimensions; d++)
      this.hostLoad[host * dimensions + d] =
        (this.hostLoad[host * dimensions + d] as number) +
        sign * (this.load[item * dimensions + d] as number);
  }

  private pick = (n: number): number => Math.floor(this.random() * n);
}
