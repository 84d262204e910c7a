import type { OperationInput, OperationOutcome } from '../../../domain/operation/operation';
import { withAnotherStep } from './another-step';

export * from '../../../workflows';

/** As in `second.ts`, but also for those that run already: what must never be rolled out. */
export function pauseVee(input: OperationInput): Promise<OperationOutcome> {
  return withAnotherStep(input, 'pause', () => true);
}
