import { derivedEntropy } from '../domain/derived-entropy';
import { SluiceError } from '../domain/errors';
import { makeOperationId, type OperationId } from '../domain/ids';
import {
  type OperationRecord,
  pendingOperation,
  type SiteOperationKind,
} from '../domain/operation/operation';
import type { SiteDeps } from './deps';

/**
 * What a schedule found to be due, asked for in the site's own name. `key` is the same for a repeat.
 * @param inTheWay operations beside which it is not asked for: the next look comes soon
 * @returns nothing when it was not asked for
 */
export async function askBySite(
  { store, siteId, now, submit }: Pick<SiteDeps, 'store' | 'siteId' | 'now' | 'submit'>,
  kind: SiteOperationKind,
  key: string,
  inTheWay: (other: OperationRecord) => boolean,
): Promise<OperationId | undefined> {
  const id = makeOperationId(derivedEntropy(kind.slice('site.'.length), key));
  const others = await store.operations.underWay();
  if (others.some((o) => o.id !== id && inTheWay(o))) return undefined;
  const record = await store.operations.create(
    pendingOperation({
      id,
      kind,
      siteId,
      params: {},
      requestedBy: 'site',
      requestId: key,
      createdAt: now(),
    }),
  );
  if (record.state !== 'pending') return id;
  try {
    await submit(record);
    return id;
  } catch (error) {
    if (!(error instanceof SluiceError) || error.retryable) throw error;
    // Somebody was quicker with another operation on the site.
    await store.operations.forget(id);
    return undefined;
  }
}
