import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { runOperation } from '../lib/operation';
import { veeIdOf } from '../lib/vee-input';
import { changeState } from '../lib/vee-transition';

/** Freezes a VEE where it is; its memory stays. */
export function pauseVee(input: OperationInput): Promise<OperationOutcome> {
  return runOperation(input, (operation) => changeState(operation, veeIdOf(input), 'pause'));
}
