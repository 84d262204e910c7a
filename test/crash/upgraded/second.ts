import { patched } from '@temporalio/workflow';
import type { OperationInput, OperationOutcome } from '../../../domain/operation/operation';
import { withAnotherStep } from './another-step';

export * from '../../../workflows';

/** The next version: pausing has another step. */
export function pauseVee(input: OperationInput): Promise<OperationOutcome> {
  return withAnotherStep(input, 'pause', () => patched('pause-another-step'));
}
