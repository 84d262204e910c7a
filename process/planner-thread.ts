import { Piscina } from 'piscina';
import { admission as admissionOf } from '../domain/maintenance/admission';
import { failover as failoverOf } from '../domain/maintenance/failover';
import { type BrokenAlgorithm, solverOf } from '../domain/placement/algorithms';
import { plan } from '../domain/placement/plan';
import { isPolicyBroken, type Policy } from '../domain/placement/policy';
import {
  type RemedyQuestion as PlaceQuestion,
  remediesFor as remediesOf,
} from '../domain/placement/remedies';
import { roomForService as roomOf } from '../domain/placement/room';
import { type Sizing, type SizingQuestion, sizing as sizingOf } from '../domain/placement/sizing';
import type { BalancePlan, BalanceQuestion } from '../domain/rebalance/model';
import { planRebalance as rebalanceOf } from '../domain/rebalance/plan';
import { AlgorithmPlugins } from './policies/algorithms';
import { PolicyPlugins } from './policies/plugins';
import { findCbc } from './portfolio/cbc';
import { sideBySide } from './portfolio/side-by-side';

const { policyFolder, algorithmFolder } = Piscina.workerData as PluginFolders;
const plugins = new PolicyPlugins(policyFolder);
const algorithms = new AlgorithmPlugins(algorithmFolder);
/** Looked for once: whoever installs it starts the process again. */
const cbc = findCbc();

/** Where the plug-ins are that were added to what is built in. */
export interface PluginFolders {
  readonly policyFolder: string | undefined;
  readonly algorithmFolder: string | undefined;
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
  const asked = question.algorithms ?? [];
  const broken = new Map<string, BrokenAlgorithm>();
  const solve = sideBySide({ cbc, outsiders: asked.map((a) => algorithms.outsider(a)) });
  const plan = rebalanceOf(question, (problem, quest) => {
    const solved = solve(problem, quest);
    for (const algorithm of asked) {
      const told = solved.asked.find((a) => a.solver === solverOf(algorithm));
      if (told?.broken) broken.set(algorithm.name, { ...algorithm, because: told.because ?? '' });
    }
    return solved;
  });
  const tookMillis = Math.round(performance.now() - began);
  return { ...plan, tookMillis, ...(broken.size > 0 ? { broken: [...broken.values()] } : {}) };
}

export const placeHarder = equipped(({ snapshot, request, policy, context }: PlaceQuestion) =>
  plan(snapshot, request, policy, context, sideBySide({ cbc, deadlineMillis: PLACE_MILLIS })),
);

export const admission = equipped(admissionOf);
export const failover = equipped(failoverOf);
export const remediesFor = equipped(remediesOf);
export const roomForService = equipped(roomOf);

/** Who asks for a place has waited for a plan already. */
const PLACE_MILLIS = 5_000;
/** What is found later is hardly better. */
const SIZING_MILLIS = 5_000;

export function sizing(question: SizingQuestion): Sizing {
  const began = performance.now();
  return sizingOf(question, () => (performance.now() - began) / SIZING_MILLIS);
}
