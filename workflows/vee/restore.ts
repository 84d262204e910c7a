import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { runOperation } from '../lib/operation';
import { veeIdOf } from '../lib/vee-input';
import { changeState } from '../lib/vee-transition';

/** Brings a suspended VEE back to where it was. */
export function restoreVee(input: OperationInput): Promise<OperationOutcome> {
  return runOperation(input, (operation) => changeState(operation, veeIdOf(input), 'restore'));
}
