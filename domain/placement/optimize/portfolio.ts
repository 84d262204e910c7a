import { costOf, type Problem } from './problem';
import { search } from './search';
import {
  type Answer,
  type Asked,
  answerOf,
  FIRST_SEARCH,
  type Quest,
  type Solve,
  type Solved,
} from './solver';
import { faultsOf } from './verify';

/** One of those that are asked side by side, and how far it goes. Data: it is sent to a thread. */
export type Entrant =
  | {
      readonly kind: 'search';
      readonly name: string;
      readonly seed: string;
      readonly steps: number;
      readonly looks: number;
    }
  | { readonly kind: 'exact'; readonly name: string; readonly nodes: number }
  /** CBC, by the command line of a program of this machine. */
  | {
      readonly kind: 'command';
      readonly name: string;
      readonly nodes: number;
      readonly program: string;
    };

export interface Portfolio {
  /** Comes before the others, who begin with what it finds; absent where it would take long. */
  readonly opening?: Extract<Entrant, { kind: 'search' }>;
  /** In order: of answers that are as good the first one's counts. */
  readonly entrants: readonly Entrant[];
}

/** Pairs of an item and a host: a program has a column for each. Beyond so many HiGHS takes longer for its first bound than anybody waits. */
const MOST_EXACT_PAIRS = 4_000;
/** Up to so many it mostly comes to the end of its tree; beyond, of the tree only its root is worth the time. */
const FEW_PAIRS = 300;
const MOST_NODES = 500;
/** Beyond so many one search takes as long as anybody waits, on each of two processors. */
const MANY_PAIRS = 500_000;
/** What the further searches do more than the first, and what one does beside HiGHS, which takes its time. */
const LONGER = 8;
const LONGER_BESIDE_HIGHS = 64;

/**
 * Who is asked about a problem, by its size alone, so that the same problem is put to the same ones.
 * @param cbc where that is on the machine; absent where it isn't
 */
export function portfolioFor({ items, hosts }: Problem, quest: Quest, cbc?: string): Portfolio {
  const { seed, steps, looks, furtherLooks = looks } = quest;
  const pairs = items * hosts;
  const searchBy = (n: number, longer: number) => ({
    ...{ kind: 'search' as const, name: n === 1 ? FIRST_SEARCH : `${FIRST_SEARCH} ${n}` },
    ...{ seed: n === 1 ? seed : `${seed}/${n}`, steps: steps * longer },
    looks: n === 1 ? looks : furtherLooks,
  });
  const first = searchBy(1, 1);
  if (pairs > MANY_PAIRS) return { entrants: [first, searchBy(2, LONGER)] };
  if (pairs > MOST_EXACT_PAIRS) return { entrants: [first, searchBy(2, LONGER), searchBy(3, LONGER)] };
  const exact = { kind: 'exact' as const, name: 'HiGHS', nodes: pairs > FEW_PAIRS ? 1 : MOST_NODES };
  // Of small problems it often has its proof before HiGHS has begun: so it comes first, and then nobody waits for that. Of larger
  // ones its bound is below what counting tells.
  const command = { kind: 'command' as const, name: 'CBC', nodes: MOST_NODES, program: cbc ?? '' };
  const both = cbc !== undefined && pairs <= FEW_PAIRS;
  return { opening: first, entrants: [searchBy(2, LONGER_BESIDE_HIGHS), ...(both ? [command] : []), exact] };
}

/** So much is no difference between costs, nor between a cost and a bound: what solvers compute is rounded. */
export const ROUNDING = 1e-6;

/** Does an answer cost no more than is proven? Nothing better is to be found then. */
export const reaches = (cost: number, bound: number): boolean => cost <= bound + ROUNDING;

/**
 * The best of several answers, each of which is believed only once it has been verified; of those that are as good the first.
 * A bound that a verified placement is below is nobody's proof.
 */
export function bestOf(problem: Problem, { bound }: Quest, answers: readonly Answer[], looks = 0): Solved {
  let best: { readonly answer: Answer; readonly cost: number } | undefined;
  const asked = answers.map((answer): Asked => {
    const { solver, placement, because, broken } = answer;
    if (!placement) return { solver, ...(because ? { because } : {}), ...(broken ? { broken } : {}) };
    const [fault] = faultsOf(problem, placement);
    if (fault !== undefined)
      return { solver, because: `what it found is no placement: ${fault}`, broken: true };
    const cost = costOf(problem, placement);
    if (!best || cost < best.cost - ROUNDING) best = { answer, cost };
    return { solver, cost };
  });
  const cost = best?.cost ?? Infinity;
  const proofs = answers
    .map((a) => a.bound ?? -Infinity)
    .filter((b) => (best ? b <= cost + ROUNDING : !Number.isNaN(b)));
  return {
    ...(best?.answer.placement ? { placement: best.answer.placement, solver: best.answer.solver } : {}),
    cost,
    bound: Math.min(cost, Math.max(bound, ...proofs)),
    asked,
    ...(answers.some((a) => a.cut) ? { stoppedBy: 'deadline' } : {}),
    looks,
  };
}

/** Asks one search, and nobody else: what is found at once, in the thread that asks. */
export const solveAlone: Solve = (problem, quest) => {
  const found = search(problem, quest.seed, quest);
  return bestOf(problem, quest, [answerOf(FIRST_SEARCH, found)], found.looks);
};
