import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { runOperation } from '../lib/operation';
import { veeIdOf } from '../lib/vee-input';
import { changeState } from '../lib/vee-transition';

/** Saves a VEE's memory to disk and frees the processor. */
export function suspendVee(input: OperationInput): Promise<OperationOutcome> {
  return runOperation(input, (operation) => changeState(operation, veeIdOf(input), 'suspend'));
}
