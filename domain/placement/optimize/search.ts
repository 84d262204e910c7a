import { Attempt } from './attempt';
import { Draft } from './draft';
import { NOWHERE, type Placement, type Problem } from './problem';
import { pick, randomFrom, shuffled } from './random';
import { Ruin } from './ruin';

/** How long a search goes on. */
export interface Effort {
  /** So many times something is torn out and put back, at most. */
  readonly steps: number;
  /** So many times a host is looked at for an item, at most: what steps cost differs a hundredfold. */
  readonly looks?: number;
  /** No answer costs less: with one that costs no more it is over. */
  readonly bound?: number;
  /** How much of it is over, from 0 to 1, where that is not told by steps: a search under a deadline. */
  readonly progress?: () => number;
  /** Asked now and then, with what the best costs so far: true ends it. */
  readonly stop?: (cost: number) => boolean;
}

export interface Found {
  /** The best that was found; absent when some item never had a host. */
  readonly placement?: Placement;
  readonly cost: number;
  /** How many steps were taken, and how often a host was looked at. */
  readonly steps: number;
  readonly looks: number;
  /** Set when it was ended before its effort was spent, or its bound reached. */
  readonly stopped?: true;
  /** Which better answers were found when: the cost, and the step. */
  readonly trail: readonly { readonly step: number; readonly cost: number; readonly progress: number }[];
}

/** Asked for so seldom that asking costs nothing. */
const STEPS_BETWEEN_LOOKS = 64;
/** What an item without a host costs, so that nothing is worth leaving one out. */
const LEFT_OUT = 1e6;
/** How much is made of leaving little room, and of chance, where places cost the same: in terms of a usual cost. */
const TIGHTNESS = 0.2;
const NOISINESS = 0.01;
/** A power of two. */
const NOISE = 4_096;
/** How much worse a step may leave it at first, in terms of a usual cost. */
const TOLERANCE = 1.2;

/**
 * Large-neighbourhood search (ruin and recreate, Schrimpf et al. 2000): tears some items out of a placement, puts them
 * back where that costs least, and keeps the result if it is better, or not much worse, ever less so. Items that have no
 * room push others out, which are put back in turn. The same problem, seed and effort give the same answer.
 */
export function search(problem: Problem, seed: string, effort: Effort): Found {
  return new Search(problem, seed, effort).run();
}

class Search {
  private readonly problem: Problem;
  private readonly random: () => number;
  private readonly effort: Effort;
  private readonly draft: Draft;
  private readonly attempt: Attempt;
  private readonly ruin: Ruin;
  private readonly size: Float64Array;
  /** The step in which an item was last pushed out: twice in one step would go on for ever. */
  private readonly pushed: Int32Array;
  /** One by what is free of a host at first. */
  private readonly perFree: Float64Array;
  private step = 0;
  /** A step that costs more is not kept. */
  private limit = Infinity;
  private looks = 0;
  private readonly scale: number;
  private readonly key: Float64Array;
  private readonly byKey = (a: number, b: number) => (this.key[b] as number) - (this.key[a] as number);
  /** So many numbers that are asked for in every place that is looked at. */
  private readonly noise: Float64Array;
  private nextNoise = 0;

  constructor(problem: Problem, seed: string, effort: Effort) {
    this.problem = problem;
    this.random = randomFrom(seed);
    this.effort = effort;
    this.draft = new Draft(problem);
    this.attempt = new Attempt(problem, this.draft);
    this.ruin = new Ruin(problem, this.attempt, this.random);
    this.pushed = new Int32Array(problem.items).fill(-1);
    this.perFree = problem.free.map((f) => (f > 0 ? 1 / f : 0));
    this.size = sizesOf(problem);
    this.key = new Float64Array(problem.items);
    this.noise = Float64Array.from({ length: NOISE }, this.random);
    const costs = [...problem.openCost, ...problem.moveCost].filter((c) => c > 0);
    this.scale = costs.length === 0 ? 1 : costs.reduce((a, b) => a + b, 0) / costs.length;
    this.repair();
  }

  run(): Found {
    const { draft } = this;
    const trail: Found['trail'][number][] = [];
    let best: Placement | undefined;
    let bestCost = Infinity;
    let progress = 0;
    let stopped = false;
    const keep = () => {
      if (draft.unplaced > 0 || draft.moves > this.problem.mostMoves || draft.cost >= bestCost - 1e-9) return;
      if (draft.uneven() > 0) return;
      best = draft.placement();
      bestCost = draft.cost;
      trail.push({ step: this.step, cost: bestCost, progress });
    };
    keep();
    let value = this.value();
    const enough = (this.effort.bound ?? -Infinity) + 1e-9;
    const { steps, looks: mostLooks = Infinity } = this.effort;
    for (this.step = 1; this.step <= steps && this.looks <= mostLooks && bestCost > enough; this.step++) {
      if (this.step % STEPS_BETWEEN_LOOKS === 0) {
        progress = this.effort.progress?.() ?? Math.max(this.step / steps, this.looks / mostLooks);
        if (progress >= 1) break;
        stopped = this.effort.stop?.(bestCost) ?? false;
        if (stopped) break;
      }
      // A threshold that falls to nothing, as in threshold accepting (Dueck and Scheuer 1990).
      this.limit = value + this.scale * TOLERANCE * (1 - progress) ** 2 * this.random();
      const without = draft.unplaced;
      this.attempt.begin(this.step);
      this.ruin.tearSome();
      if (without > 0) this.callUp();
      const complete = this.recreate(without > 0);
      const now = complete ? this.value() : Infinity;
      if (now <= this.limit) {
        value = now;
        keep();
      } else this.attempt.rollBack();
    }
    const spent = { steps: this.step - 1, looks: this.looks, ...(stopped ? { stopped: true as const } : {}) };
    return { ...(best ? { placement: best } : {}), cost: bestCost, ...spent, trail };
  }

  /** Lower is better: the cost, and what makes it no answer. */
  private value(): number {
    const { draft, problem } = this;
    const over = Math.max(0, draft.moves - problem.mostMoves);
    return draft.cost + LEFT_OUT * (draft.unplaced + over + draft.uneven());
  }

  /** What is where it may not be gets another host, and what has none gets one. */
  private repair(): void {
    const { draft, problem } = this;
    for (let item = 0; item < problem.items; item++) {
      const host = draft.hostOf[item] as number;
      if (host === NOWHERE) {
        this.attempt.enqueue(item);
        continue;
      }
      draft.take(item);
      if (draft.isAllowed(item, host) && draft.hasRoom(item, host)) draft.put(item, host);
      else this.attempt.enqueue(item);
    }
    this.recreate(true);
  }

  /** What has no host is put somewhere whenever something is. */
  private callUp(): void {
    const torn = new Set(this.attempt.queue);
    for (const [item, host] of this.draft.hostOf.entries())
      if (host === NOWHERE && !torn.has(item)) this.attempt.enqueue(item);
  }

  /**
   * @param some whether it is worth going on when one can't be placed
   * @returns whether each has a host again, or as many as can
   */
  private recreate(some: boolean): boolean {
    const { attempt, size, draft } = this;
    const { queue } = attempt;
    // The largest first, more or less; or in any order, as what is smaller may have more to lose by where it is.
    const noise = this.random() < 0.5 ? 0 : this.problem.placeCost && this.random() < 0.3 ? 4 : 0.5;
    for (const item of queue) this.key[item] = (size[item] as number) * (1 + noise * (this.random() - 0.5));
    queue.sort(this.byKey);
    let pushes = 6 + queue.length;
    for (let next = 0; next < queue.length; next++) {
      const item = queue[next] as number;
      attempt.dequeued(item);
      const host = this.cheapest(item);
      if (host !== NOWHERE) attempt.put(item, host);
      else {
        if (pushes > 0) pushes -= this.pushIn(item);
        if (this.looks > (this.effort.looks ?? Infinity)) return some;
      }
      // Nothing that still waits can make up for what it costs by now.
      if (!some && (draft.hostOf[item] === NOWHERE || draft.cost - attempt.hope > this.limit)) return false;
    }
    return true;
  }

  /** Where it costs least, and among those where it leaves least room that fits nothing else. */
  private cheapest(item: number): number {
    const { draft, problem } = this;
    const { hosts, dimensions } = problem;
    this.looks += hosts;
    const start = problem.start[item] as number;
    const away = problem.moveCost[item] as number;
    const { placeCost } = problem;
    const row = placeCost === undefined ? 0 : item * placeCost.kinds;
    const tightness = (this.scale * TIGHTNESS) / dimensions;
    const noise = this.scale * NOISINESS;
    let at = this.nextNoise;
    let best = NOWHERE;
    let bestScore = Infinity;
    for (let host = 0; host < hosts; host++) {
      at = (at + 1) & (NOISE - 1);
      let score = noise * (this.noise[at] as number);
      if (start !== host) score += away;
      if (placeCost !== undefined) score += placeCost.of[row + (placeCost.kindOf[host] as number)] as number;
      if ((draft.count[host] as number) === 0)
        score += (problem.openCost[host] as number) * (this.attempt.isClosing(host) ? 1.5 : 1);
      if (score >= bestScore || !draft.hasRoom(item, host)) continue;
      const cell = host * dimensions;
      for (let d = 0; d < dimensions; d++)
        score += tightness * (draft.left[cell + d] as number) * (this.perFree[cell + d] as number);
      if (score < bestScore && draft.isAllowed(item, host)) {
        bestScore = score;
        best = host;
      }
    }
    this.nextNoise = (at + this.step) & (NOISE - 1);
    return best;
  }

  /** Makes room on some host by pushing others out of it. @returns how many */
  private pushIn(item: number): number {
    const { attempt, draft, problem } = this;
    this.pushed[item] = this.step;
    this.looks += 4;
    for (let tries = 0; tries < 4; tries++) {
      const host = pick(problem.hosts, this.random);
      if ((draft.count[host] as number) === 0 || attempt.isClosing(host)) continue;
      if (problem.allowed[item * problem.hosts + host] !== 1) continue;
      const out: number[] = [];
      for (const other of shuffled(draft.itemsOn[host] ?? [], this.random)) {
        if (draft.isAllowed(item, host) && draft.hasRoom(item, host)) break;
        if (
          this.pushed[other] === this.step ||
          (this.size[other] as number) > 1.2 * (this.size[item] as number)
        )
          continue;
        attempt.take(other);
        out.push(other);
      }
      if (draft.isAllowed(item, host) && draft.hasRoom(item, host)) {
        for (const other of out) {
          this.pushed[other] = this.step;
          attempt.enqueue(other);
        }
        attempt.put(item, host);
        return out.length;
      }
      for (const other of out) attempt.put(other, host);
    }
    return 1;
  }
}

/** The largest share of a usual host in any dimension. */
function sizesOf({ items, hosts, dimensions, need, free }: Problem): Float64Array {
  const mean = new Float64Array(dimensions);
  for (let host = 0; host < hosts; host++)
    for (let d = 0; d < dimensions; d++)
      mean[d] = (mean[d] as number) + (free[host * dimensions + d] as number) / hosts;
  const sizes = new Float64Array(items);
  for (let item = 0; item < items; item++)
    for (let d = 0; d < dimensions; d++) {
      const of = mean[d] as number;
      const share = of > 0 ? (need[item * dimensions + d] as number) / of : 0;
      sizes[item] = Math.max(sizes[item] as number, share);
    }
  return sizes;
}
