import type { Attempt } from './attempt';
import type { Draft } from './draft';
import { NOWHERE, type Problem } from './problem';
import { pick } from './random';

/** How often what is torn out is chosen in which way, one after the other; the rest of the time some items are, at random. */
const EXCHANGES = 0.15;
const EMPTIES_ONE = EXCHANGES + 0.1;
const EMPTIES_TWO = EMPTIES_ONE + 0.1;
const BRINGS_HOME = EMPTIES_TWO + 0.48;
/** Among so many hosts one is looked for that is closed. */
const TRIES_FOR_CLOSED = 8;

/** Tears items out of a placement, so that they may be put back in a better way. */
export class Ruin {
  private readonly problem: Problem;
  private readonly draft: Draft;
  private readonly attempt: Attempt;
  private readonly random: () => number;
  /** The items that started on a host. */
  private readonly natives: readonly number[][];

  constructor(problem: Problem, attempt: Attempt, random: () => number) {
    this.problem = problem;
    this.draft = attempt.draft;
    this.attempt = attempt;
    this.random = random;
    this.natives = Array.from({ length: problem.hosts }, () => []);
    for (const [item, host] of problem.start.entries()) if (host !== NOWHERE) this.natives[host]?.push(item);
  }

  tearSome(): void {
    const dice = this.random();
    if (dice < EXCHANGES) this.exchange();
    else if (dice < EMPTIES_ONE) this.empty();
    else if (dice < EMPTIES_TWO) {
      this.empty();
      this.empty();
    } else if (dice < BRINGS_HOME) this.bringHome();
    else {
      const few = 1 + pick(8, this.random);
      for (let i = 0; i < few; i++) this.attempt.tearOut(pick(this.problem.items, this.random));
    }
  }

  /**
   * Closes one host for another, to which all return that started there. Neither half of that would be kept for its own
   * sake.
   */
  private exchange(): void {
    const { attempt, draft } = this;
    const opened = this.aClosedHost();
    this.empty();
    if (opened === NOWHERE) return;
    const natives = this.natives[opened] ?? [];
    for (const item of natives) attempt.tearOut(item);
    for (const item of natives) if (draft.hostOf[item] === NOWHERE) attempt.putHome(item);
  }

  private empty(): void {
    const host = this.anOpenHost();
    if (host !== NOWHERE) this.attempt.close(host);
  }

  /** Tears out something that has moved, and most of what is where it started. */
  private bringHome(): void {
    const { attempt, draft, problem } = this;
    const moved = this.movedItem();
    if (moved === undefined) {
      attempt.tearOut(pick(problem.items, this.random));
      return;
    }
    attempt.tearOut(moved);
    const home = problem.start[moved] as number;
    for (const item of (draft.itemsOn[home] ?? []).slice()) if (this.random() < 0.7) attempt.tearOut(item);
  }

  /** The less a host has the likelier. */
  private anOpenHost(): number {
    const { count } = this.draft;
    let best = NOWHERE;
    let least = Infinity;
    for (let i = 0; i < 3; i++) {
      const host = pick(this.problem.hosts, this.random);
      const n = count[host] as number;
      if (n > 0 && n < least) {
        least = n;
        best = host;
      }
    }
    return best;
  }

  /** The more started there the likelier; none when nothing did. */
  private aClosedHost(): number {
    let best = NOWHERE;
    let most = 0;
    for (let i = 0; i < TRIES_FOR_CLOSED; i++) {
      const host = pick(this.problem.hosts, this.random);
      const n = this.natives[host]?.length ?? 0;
      if (this.draft.count[host] === 0 && n > most) {
        most = n;
        best = host;
      }
    }
    return best;
  }

  private movedItem(): number | undefined {
    for (let i = 0; i < 10; i++) {
      const item = pick(this.problem.items, this.random);
      if (this.draft.hostOf[item] !== this.problem.start[item]) return item;
    }
    return undefined;
  }
}
