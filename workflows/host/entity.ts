import { HOST_OPERATION_KINDS } from '../../domain/operation/operation';
import type { EntityInput } from '../../domain/service/messages';
import { runEntity } from '../lib/entity';

/** A host: what is done to it as a whole, one thing at a time. */
export function hostEntity(input: EntityInput): Promise<void> {
  return runEntity(input, { kinds: HOST_OPERATION_KINDS });
}
