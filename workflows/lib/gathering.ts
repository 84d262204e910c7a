/**
 * One call at a time for what comes singly: what comes while one is under way goes into the next. So fifty VEEs that
 * become ready within a second are recorded by a few activities, and none waits for the slowest.
 */
export class Gathering<T> {
  private readonly send: (items: T[]) => Promise<void>;
  private waiting: T[] = [];
  private next: Promise<void> | undefined;
  private underWay: Promise<void> = Promise.resolve();

  constructor(send: (items: T[]) => Promise<void>) {
    this.send = send;
  }

  /** @returns when it was sent, together with others */
  add(item: T): Promise<void> {
    this.waiting.push(item);
    this.next ??= this.after(this.underWay);
    return this.next;
  }

  private async after(earlier: Promise<void>): Promise<void> {
    // Who sent it is told of its failure; the others are sent all the same.
    await earlier.catch(() => undefined);
    // Let all that happens in this turn come along.
    await Promise.resolve();
    const items = this.waiting;
    this.waiting = [];
    this.next = undefined;
    this.underWay = this.send(items);
    await this.underWay;
  }
}
