import type { Draft } from './draft';
import { NOWHERE, type Problem } from './problem';

/** One step of a search: what it has torn out of a draft and put back, so that it can be undone. */
export class Attempt {
  readonly draft: Draft;
  /** What waits for a host. */
  readonly queue: number[] = [];
  /** What the cost falls by at most before all that waits has a host: if each gets back to where it started. */
  hope = 0;
  private readonly problem: Problem;
  /** Pairs of an item and the host that it was on. */
  private readonly log: number[] = [];
  private readonly closing: Int32Array;
  private step = 0;

  constructor(problem: Problem, draft: Draft) {
    this.problem = problem;
    this.draft = draft;
    this.closing = new Int32Array(problem.hosts).fill(-1);
  }

  begin(step: number): void {
    this.step = step;
    this.log.length = 0;
    this.queue.length = 0;
    this.hope = 0;
  }

  enqueue(item: number): void {
    this.queue.push(item);
    this.hope += this.gainAtHome(item);
  }

  /** It waits no longer, whatever becomes of it. */
  dequeued(item: number): void {
    this.hope -= this.gainAtHome(item);
  }

  tearOut(item: number): void {
    if (this.draft.hostOf[item] === NOWHERE) return;
    this.take(item);
    this.enqueue(item);
  }

  /** Puts it where it started, before anything else of the queue gets a host, if it may be there and has room. */
  putHome(item: number): void {
    const home = this.problem.start[item] as number;
    if (!this.draft.hasRoom(item, home) || !this.draft.isAllowed(item, home)) return;
    this.put(item, home);
    this.queue.splice(this.queue.lastIndexOf(item), 1);
    this.dequeued(item);
  }

  take(item: number): void {
    this.log.push(item, this.draft.hostOf[item] as number);
    this.draft.take(item);
  }

  put(item: number, host: number): void {
    this.log.push(item, NOWHERE);
    this.draft.put(item, host);
  }

  /** Tears all out of a host, which is to stay closed if that can be. */
  close(host: number): void {
    this.closing[host] = this.step;
    for (const item of (this.draft.itemsOn[host] ?? []).slice()) this.tearOut(item);
  }

  isClosing(host: number): boolean {
    return this.closing[host] === this.step;
  }

  rollBack(): void {
    const { draft, log } = this;
    for (let n = log.length - 2; n >= 0; n -= 2) {
      const item = log[n] as number;
      const was = log[n + 1] as number;
      if (was === NOWHERE) draft.take(item);
      else draft.put(item, was);
    }
  }

  private gainAtHome(item: number): number {
    return this.problem.start[item] === NOWHERE ? 0 : (this.problem.moveCost[item] as number);
  }
}
