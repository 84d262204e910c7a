import { SluiceError } from '../errors';
import type { HostId } from '../ids';
import type { AlgorithmData, BrokenAlgorithm } from '../placement/algorithms';
import type { Solve } from '../placement/optimize/solver';
import { suspectsAwaited } from '../placement/suspects';
import {
  decideMoves,
  isAskedFor,
  lacksRoom,
  type MoveDecision,
  type MoveQuestion,
  targetsOf,
} from './plan-moves';

export interface Moves {
  readonly decision: MoveDecision;
  /** Hosts that are suspect, on which it depends whether there is room. */
  readonly awaited: readonly HostId[];
  /** Algorithms of others that broke while they were asked. */
  readonly broken?: readonly BrokenAlgorithm[];
}

export interface HarderMoves extends MoveQuestion {
  /** Those of others that are asked beside ours. */
  readonly algorithms?: readonly AlgorithmData[];
}

/** So many pairs of a VEE and a host are judged in some hundredths of a second; where there are groups, dozens of times. */
const MOST_PAIRS = 20_000;
const MOST_PAIRS_IN_GROUPS = 2_000;

/**
 * @param solve asked once more where the quick way leaves some without a place
 */
export function movesFor(question: MoveQuestion, solve?: Solve): Moves {
  const quick = decideMoves(question);
  const decision =
    solve && unplaced(quick) > 0 ? better(quick, decideMoves(question, undefined, solve)) : quick;
  const trusting = (snapshot: MoveQuestion['snapshot']) => targetsOf(decideMoves({ ...question, snapshot }));
  return { decision, awaited: lacksRoom(decision) ? suspectsAwaited(question.snapshot, trusting) : [] };
}

/**
 * The same without keeping others waiting: what takes long is answered elsewhere, and so is what finds no room at once, by solvers
 * side by side.
 * @param elsewhere what it throws of SluiceErrors is no reason not to answer what was answered already
 * @param algorithms those of others that are enabled; only read when they are asked
 * @throws SluiceError `unavailable` when there was no answer in time: to be asked again
 */
export async function movesLookedFor(
  question: MoveQuestion,
  elsewhere: (question: HarderMoves) => Promise<Moves>,
  algorithms: () => Promise<readonly AlgorithmData[]>,
): Promise<Moves> {
  const here = takesLong(question) ? undefined : movesFor(question);
  if (here && (unplaced(here.decision) === 0 || here.awaited.length > 0 || askedFor(question) < 2))
    return here;
  try {
    const found = await elsewhere({ ...question, algorithms: await algorithms() });
    return here ? { ...found, decision: better(here.decision, found.decision) } : found;
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error;
    if (here) return here;
    throw new SluiceError('unavailable', `Where all of these go was not found yet: ${error.message}`);
  }
}

export function takesLong(question: MoveQuestion): boolean {
  const { snapshot, manifest, params, verb } = question;
  const inGroups = params.partial && verb === 'relocate' && manifest.groups.length > 0;
  const pairs = askedFor(question) * snapshot.hosts.length;
  return pairs > (inGroups ? MOST_PAIRS_IN_GROUPS : MOST_PAIRS);
}

const askedFor = ({ vees, params }: MoveQuestion): number => vees.filter((v) => isAskedFor(v, params)).length;

/** How many have no place for want of room. */
function unplaced(decision: MoveDecision): number {
  if (decision.kind === 'infeasible') return decision.answer.proven ? 0 : decision.answer.unplaced.length;
  if (decision.kind !== 'moves') return 0;
  return decision.left.filter((l) => l.error.code === 'placement-infeasible').length;
}

/** Of two answers to one question the second only where it moves more. */
function better(quick: MoveDecision, harder: MoveDecision): MoveDecision {
  if (harder.kind !== 'moves') return quick;
  const gained = quick.kind === 'infeasible' || unplaced(harder) < unplaced(quick);
  return gained ? harder : quick;
}
