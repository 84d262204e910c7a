import { Piscina } from 'piscina';
import { admission as admissionOf } from '../domain/maintenance/admission';
import { failover as failoverOf } from '../domain/maintenance/failover';
import { type HarderMoves, type Moves, movesFor } from '../domain/migration/moves-elsewhere';
import {
  type AlgorithmData,
  type BrokenAlgorithm,
  isForOthers,
  solverOf,
} from '../domain/placement/algorithms';
import type { Harder, HarderQuestion } from '../domain/placement/harder';
import type { Solve, Solved } from '../domain/placement/optimize/solver';
import { plan } from '../domain/placement/plan';
import { isPolicyBroken, type Policy } from '../domain/placement/policy';
import { remediesFor as remediesOf } from '../domain/placement/remedies';
import { roomForService as roomOf } from '../domain/placement/room';
import { type Sizing, type SizingQuestion, sizing as sizingOf } from '../domain/placement/sizing';
import type { BalancePlan, BalanceQuestion } from '../domain/rebalance/model';
import { planRebalance as rebalanceOf } from '../domain/rebalance/plan';
import { AlgorithmPlugins } from './policies/algorithms';
import { PolicyPlugins } from './policies/plugins';
import { sweepCbcFolders } from './portfolio/cbc';
import { sideBySide } from './portfolio/side-by-side';

const { policyFolder, algorithmFolder, cbc } = Piscina.workerData as ThreadSettings;
const plugins = new PolicyPlugins(policyFolder);
const algorithms = new AlgorithmPlugins(algorithmFolder);
sweepCbcFolders();

/** Who asks for a place has waited for a plan already. */
const PLACE_MILLIS = 5_000;

/** Where the plug-ins are that were added to what is built in. */
export interface PluginFolders {
  readonly policyFolder: string | undefined;
  readonly algorithmFolder: string | undefined;
}

export interface ThreadSettings extends PluginFolders {
  /** Where CBC is, if it is there. */
  readonly cbc: string | undefined;
}

/** What is sent back in place of an answer, as errors lose their class on the way. */
export interface Broken {
  readonly policyBroken: string;
}

/** Functions don't come over into a thread: what a plug-in ranks by is loaded here anew. */
function equipped<Q extends { readonly policy: Policy }, A>(answer: (question: Q) => A) {
  return async (question: Q): Promise<A | Broken> => {
    try {
      return answer({ ...question, policy: await plugins.equip(question.policy) });
    } catch (error) {
      if (!isPolicyBroken(error)) throw error;
      plugins.giveUp(question.policy.name);
      return { policyBroken: error.message };
    }
  };
}

// What a thread of `planner.ts` runs, by name.

export function planRebalance(question: BalanceQuestion): BalancePlan {
  const began = performance.now();
  const { solve, broken } = withAlgorithms(question.algorithms);
  const plan = rebalanceOf(question, solve);
  const tookMillis = Math.round(performance.now() - began);
  return { ...plan, tookMillis, ...broken() };
}

export const placeHarder = equipped((question: HarderQuestion): Harder => {
  const { snapshot, request, policy, context, algorithms: asked } = question;
  const { solve, broken, last } = withAlgorithms(asked, PLACE_MILLIS);
  const answer = plan(snapshot, request, policy, context, solve);
  const solved = last();
  return {
    answer,
    ...(solved
      ? {
          search: {
            ...(answer.kind === 'blueprint' && solved.solver ? { solver: solved.solver } : {}),
            ...(solved.stoppedBy ? { stoppedBy: solved.stoppedBy } : {}),
            asked: solved.asked,
          },
        }
      : {}),
    ...broken(),
  };
});

export const decideMoves = equipped((question: HarderMoves): Moves => {
  const { algorithms: asked, ...moves } = question;
  const { solve, broken } = withAlgorithms(asked, PLACE_MILLIS);
  return { ...movesFor(moves, solve), ...broken() };
});

/** All solvers, and beside them algorithms of others, of which it is kept which broke. */
function withAlgorithms(asked: readonly AlgorithmData[] = [], deadlineMillis?: number) {
  const found = new Map<string, BrokenAlgorithm>();
  let last: Solved | undefined;
  const outsiders = asked.map((a) => algorithms.outsider(a));
  const limits = deadlineMillis === undefined ? {} : { deadlineMillis };
  const solve: Solve = (problem, quest) => {
    const others = isForOthers(problem) ? { outsiders } : {};
    last = sideBySide({ cbc, ...others, ...limits })(problem, quest);
    for (const algorithm of asked) {
      const told = last.asked.find((a) => a.solver === solverOf(algorithm));
      if (told?.broken) found.set(algorithm.name, { ...algorithm, because: told.because ?? '' });
    }
    return last;
  };
  const broken = () => (found.size > 0 ? { broken: [...found.values()] } : {});
  return { solve, broken, last: () => last };
}

export { planLease } from '../domain/leases/plan';

export const admission = equipped(admissionOf);
export const failover = equipped(failoverOf);
export const remediesFor = equipped(remediesOf);
export const roomForService = equipped(roomOf);

/** What is found later is hardly better. */
const SIZING_MILLIS = 5_000;

export function sizing(question: SizingQuestion): Sizing {
  const began = performance.now();
  return sizingOf(question, () => (performance.now() - began) / SIZING_MILLIS);
}
