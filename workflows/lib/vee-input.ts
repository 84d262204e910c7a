import { ApplicationFailure } from '@temporalio/workflow';
import type { VeeId } from '../../domain/ids';
import type { OperationInput } from '../../domain/operation/operation';

export function veeIdOf({ kind, veeId }: OperationInput): VeeId {
  if (veeId === undefined) throw ApplicationFailure.nonRetryable(`${kind} needs a VEE.`, 'request-invalid');
  return veeId;
}
