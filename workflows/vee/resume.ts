import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { runOperation } from '../lib/operation';
import { veeIdOf } from '../lib/vee-input';
import { changeState } from '../lib/vee-transition';

/** Lets a paused VEE run again. */
export function resumeVee(input: OperationInput): Promise<OperationOutcome> {
  return runOperation(input, (operation) => changeState(operation, veeIdOf(input), 'resume'));
}
