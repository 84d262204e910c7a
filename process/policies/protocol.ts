import type { Goal, Parameters, Placing, RankedHost } from '../../domain/placement/policy';

/** What the process of a plug-in is asked, and what it answers: one answer to each question, in turn. */
export type Question =
  | { readonly ask: 'describe' }
  | {
      readonly ask: 'score';
      readonly placing: Placing;
      readonly hosts: readonly RankedHost[];
      readonly parameters: Parameters;
    };

/** What a plug-in says of itself. */
export interface Description {
  readonly takes: string;
  readonly goal: Goal;
  /** What may be set, and to what it is where it is not. */
  readonly parameters: Parameters;
}

export type Reply =
  | { readonly kind: 'description'; readonly description: Description }
  | { readonly kind: 'scores'; readonly scores: readonly number[]; readonly millis: number }
  | { readonly kind: 'broken'; readonly because: string };

/** What goes to the thread between. */
export interface Timed {
  readonly question: Question;
  readonly millis: number;
}

/** For questions and answers on their way, which is not the plug-in's time. */
export const TRANSPORT_MILLIS = 500;

/** How long one waits for what should take so long of a processor, on a machine that is busy with other things as well. */
export const mostWait = (millis: number): number => 3 * (millis + TRANSPORT_MILLIS);

/** Counts up with each answer: the one who asked sleeps on it. */
export const SIGNAL_BYTES = 4;
