import { SluiceError } from '../errors';
import type { Blueprint, Infeasible } from './model';
import type { RemedyQuestion } from './remedies';

/**
 * What a quick plan has found no room for, and could not show to have none, is looked for by solvers side by side, which takes
 * seconds. One VEE alone has been tried on every host.
 * @param placeHarder elsewhere than here. That it has no time for this is no reason not to answer.
 */
export async function lookedForHarder(
  quick: Blueprint | Infeasible,
  question: RemedyQuestion,
  placeHarder: (question: RemedyQuestion) => Promise<Blueprint | Infeasible>,
): Promise<Blueprint | Infeasible> {
  if (quick.kind === 'blueprint' || quick.proven || question.request.vees.length < 2) return quick;
  try {
    const found = await placeHarder(question);
    return found.kind === 'blueprint' ? found : quick;
  } catch (error) {
    if (error instanceof SluiceError) return quick;
    throw error;
  }
}
