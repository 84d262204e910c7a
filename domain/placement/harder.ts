import { SluiceError } from '../errors';
import type { AlgorithmData, BrokenAlgorithm } from './algorithms';
import type { Blueprint, Infeasible } from './model';
import type { Solved } from './optimize/solver';
import type { RemedyQuestion } from './remedies';

/** What solvers side by side have made of a question. */
export interface Harder {
  readonly answer: Blueprint | Infeasible;
  /** Who was asked, and whose answer it is; absent where nobody was. */
  readonly search?: Pick<Solved, 'solver' | 'asked' | 'stoppedBy'>;
  /** Algorithms of others that broke while they were asked. */
  readonly broken?: readonly BrokenAlgorithm[];
}

export interface HarderQuestion extends RemedyQuestion {
  /** Those of others that are asked beside ours. */
  readonly algorithms?: readonly AlgorithmData[];
}

/**
 * What a quick plan has found no room for, and could not show to have none, is looked for by solvers side by side, which takes
 * seconds. One VEE alone has been tried on every host.
 * @param algorithms those of others that are enabled; only read when they are asked
 * @param placeHarder elsewhere than here. That it has no time for this is no reason not to answer.
 */
export async function lookedForHarder(
  quick: Blueprint | Infeasible,
  question: RemedyQuestion,
  placeHarder: (question: HarderQuestion) => Promise<Harder>,
  algorithms: () => Promise<readonly AlgorithmData[]>,
): Promise<Harder> {
  if (quick.kind === 'blueprint' || quick.proven || question.request.vees.length < 2)
    return { answer: quick };
  try {
    const found = await placeHarder({ ...question, algorithms: await algorithms() });
    return found.answer.kind === 'blueprint' ? found : { ...found, answer: quick };
  } catch (error) {
    if (error instanceof SluiceError) return { answer: quick };
    throw error;
  }
}
