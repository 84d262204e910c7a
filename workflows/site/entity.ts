import { SITE_OPERATION_KINDS } from '../../domain/operation/operation';
import type { EntityInput } from '../../domain/service/messages';
import { runEntity } from '../lib/entity';

/** The site: what is done to all of it, one thing at a time. */
export function siteEntity(input: EntityInput): Promise<void> {
  return runEntity(input, { kinds: SITE_OPERATION_KINDS });
}
