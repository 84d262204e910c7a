import type { Placement, Problem } from './problem';
import type { Found } from './search';

/** How far somebody is to go who looks for an answer: counted, never timed, so that an answer can be had again. */
export interface Quest {
  readonly seed: string;
  /** Of the first search: see `Effort`. */
  readonly steps: number;
  readonly looks: number;
  /** Of each further search, where that is more. */
  readonly furtherLooks?: number;
  /** No answer costs less. */
  readonly bound: number;
}

/** What came of asking one solver. Not verified. */
export interface Answer {
  /** Who it was, as people are told. */
  readonly solver: string;
  readonly placement?: Placement;
  /** No placement costs less, as it has proven; `Infinity` when it has proven that there is none. */
  readonly bound?: number;
  /** Of a search: which better ones were found when. */
  readonly trail?: Found['trail'];
  /** It was ended by the clock: another time it may come further. */
  readonly cut?: true;
  /** Why it gave no answer: a fault of it, or that none was needed any more. */
  readonly because?: string;
  /** Set when it was a fault of it. */
  readonly broken?: true;
}

/** What became of each that was asked. */
export interface Asked {
  readonly solver: string;
  /** Of its placement; absent when it has none that is one. */
  readonly cost?: number;
  readonly because?: string;
  /** Set when it was a fault of it. */
  readonly broken?: true;
}

/** The best of what all solvers have found, verified. */
export interface Solved {
  readonly placement?: Placement;
  readonly cost: number;
  /** No placement costs less. */
  readonly bound: number;
  /** Whose placement it is. */
  readonly solver?: string;
  readonly asked: readonly Asked[];
  /** Set when the clock has ended one of them, so that another time the answer may be another. */
  readonly stoppedBy?: 'deadline';
  /** How often the first search looked at a host. */
  readonly looks: number;
}

/** Whatever finds a placement for a problem: one search, or many solvers side by side. */
export type Solve = (problem: Problem, quest: Quest) => Solved;

/** What people know the first search by. */
export const FIRST_SEARCH = 'search';

export function answerOf(solver: string, { placement, stopped, trail }: Found): Answer {
  return { solver, trail, ...(placement ? { placement } : {}), ...(stopped ? { cut: true } : {}) };
}
