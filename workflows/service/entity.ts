import {
  type OperationInput,
  type OperationOutcome,
  SERVICE_OPERATION_KINDS,
  VEE_OPERATION_KINDS,
} from '../../domain/operation/operation';
import type { ServiceEntityInput } from '../../domain/service/messages';
import { runEntity } from '../lib/entity';

/** A service from its first request to its end: which of its operations may run side by side. */
export function service(input: ServiceEntityInput): Promise<void> {
  return runEntity(input, { kinds: [...SERVICE_OPERATION_KINDS, ...VEE_OPERATION_KINDS], ends: endsService });
}

function endsService({ kind }: OperationInput, outcome: OperationOutcome): boolean {
  if (kind === 'service.decommission') return outcome.state === 'completed';
  return kind === 'service.provision' && outcome.state === 'undone';
}
