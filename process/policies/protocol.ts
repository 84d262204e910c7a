import type { ZodError } from 'zod';
import type { HostEconomy } from '../../domain/cost/host-economy';
import type { Placement, Problem } from '../../domain/placement/optimize/problem';
import type { Goal, Parameters, Placing, RankedHost } from '../../domain/placement/policy';
import type { Devices } from '../../domain/units';

/** What of a host does not change while a decision is made: told once. */
export type KnownHost = Pick<RankedHost, 'id' | 'zone' | 'labels' | 'driver' | 'capacity'> & HostEconomy;

/** What the process of a plug-in is asked, and what it answers: one answer to each question, in turn. */
export type Question =
  | { readonly ask: 'describe' }
  | {
      readonly ask: 'score';
      readonly placing: Placing;
      readonly parameters: Parameters;
      /** A new decision: nothing that was told before counts. */
      readonly anew: boolean;
      /** Hosts that were not told yet: they are numbered in the order in which they come. */
      readonly fresh: readonly KnownHost[];
      /** The hosts to score, by number. */
      readonly hosts: Int32Array;
      /** What is reserved on each of them: four numbers a host, in the order of `DIMENSIONS`. */
      readonly reserved: Float64Array;
      /** And of devices; absent where none of them has any. */
      readonly devices?: readonly (Devices | undefined)[];
      /** What is measured on each of them: CPU and memory, NaN where it is not. */
      readonly measured: Float64Array;
      /** VEEs of the same service on each of them, in its zone and in the site: three numbers a host. */
      readonly sameService: Int32Array;
    }
  | ({ readonly ask: 'solve' } & Puzzle);

/** What an algorithm is given: a problem, and what is known of it already. */
export interface Puzzle {
  readonly problem: Problem;
  /** The best that was found so far. */
  readonly from?: Placement | undefined;
  /** No placement costs less. */
  readonly bound: number;
  /** Of a processor: how long it may work. */
  readonly millis: number;
}

/** What a plug-in says of itself. */
export interface Description {
  readonly takes: string;
  readonly goal: Goal;
  /** What may be set, and to what it is where it is not. */
  readonly parameters: Parameters;
}

export type Reply =
  | { readonly kind: 'description'; readonly description: Description }
  | { readonly kind: 'scores'; readonly scores: Float64Array; readonly cpuMillis: number }
  /** What an algorithm has found, if anything. */
  | { readonly kind: 'solved'; readonly does: string; readonly placement?: Int32Array }
  | { readonly kind: 'broken'; readonly because: string }
  /** Its process is gone, and it is not known that it was its fault; `isLate` when those who asked could wait no longer. */
  | { readonly kind: 'gone'; readonly because: string; readonly isLate?: true };

/** What goes to the thread between: a question, and how much time it may take, of a processor and by the clock. */
export interface Timed {
  readonly question: Question;
  readonly cpuMillis: number;
  readonly wallMillis: number;
  /** What is said of one that takes longer. */
  readonly tooLong: string;
  /** By the clock it has less than what it may work could take: that it needs more is no fault of it. */
  readonly isPressed?: boolean;
}

/** What goes on to the process. */
export interface Asked {
  readonly question: Question;
  readonly wallMillis: number;
}

/** Counts up with each answer: the one who asked sleeps on it. */
export const SIGNAL_BYTES = 4;

/** Of everything: buffers, and Node itself with some 50. */
export const MOST_MEMORY_MIB = 256;

const MOST_TOLD = 300;

/** Whatever a plug-in says of its fault: one line, and not a book. */
export function inShort(text: string): string {
  const [line = ''] = text.split('\n', 1);
  return line.slice(0, MOST_TOLD).replaceAll(/\p{Cc}/gu, ' ');
}

/** What a module exports that is no plug-in. */
export const wrongIn = ({ issues }: ZodError): string =>
  issues.map((i) => `${i.path.join('.') || 'what it exports'}: ${i.message}`).join('; ');
