import { patched } from '@temporalio/workflow';
import type { OperationInput, OperationOutcome } from '../../../domain/operation/operation';
import { withAnotherStep } from './another-step';

export * from './second';

/** The version after it: so has resuming. */
export function resumeVee(input: OperationInput): Promise<OperationOutcome> {
  return withAnotherStep(input, 'resume', () => patched('resume-another-step'));
}
