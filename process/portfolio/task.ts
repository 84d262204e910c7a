import type { MessagePort } from 'node:worker_threads';
import type { Entrant } from '../../domain/placement/optimize/portfolio';
import type { Placement, Problem } from '../../domain/placement/optimize/problem';

/** What a thread of a portfolio is told when it begins. */
export interface Task {
  readonly problem: Problem;
  readonly entrant: Entrant;
  /** The best that is known so far. */
  readonly from?: Placement | undefined;
  /** No placement costs less. */
  readonly bound: number;
  /** When it has to be over, in milliseconds since 1970. */
  readonly due: number;
  /** Where its answer goes. */
  readonly port: MessagePort;
  /** Counts answers: the one who asks sleeps on it. */
  readonly signal: Int32Array;
  readonly proof: SharedArrayBuffer;
}

/** A bound that one has proven, for all others to see. Written once. */
export class Proof {
  readonly buffer: SharedArrayBuffer;
  private readonly isThere: Int32Array;
  private readonly value: Float64Array;

  constructor(buffer = new SharedArrayBuffer(16)) {
    this.buffer = buffer;
    this.isThere = new Int32Array(buffer, 0, 1);
    this.value = new Float64Array(buffer, 8, 1);
  }

  /** By the thread that asked only. */
  publish(bound: number): void {
    if (Atomics.load(this.isThere, 0) === 1) return;
    this.value[0] = bound;
    Atomics.store(this.isThere, 0, 1);
  }

  get bound(): number {
    return Atomics.load(this.isThere, 0) === 1 ? (this.value[0] ?? -Infinity) : -Infinity;
  }
}
