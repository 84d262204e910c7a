import { createHash, randomBytes } from 'node:crypto';
import type { Request } from 'express';
import { derivedEntropy } from '../domain/derived-entropy';
import { SluiceError } from '../domain/errors';
import { makeOperationId, type OperationId } from '../domain/ids';
import type { OperationRecord } from '../domain/operation/operation';
import type { Identity } from '../store/identities';
import type { Store } from '../store/store';
import { rawBodyOf } from './raw-body';
import type { Answer } from './route';

const KEY = /^[\x21-\x7e]{1,255}$/;

export const freshOperationId = () => makeOperationId(randomBytes(12).toString('hex'));

/** 5xx answers are not kept: they tell of a moment, and the repeat is meant to do better. */
const keepable = (status: number) => status < 500;

/**
 * One effect and one answer for a key. The operation's id is derived from who and the key, so even a repeat
 * that finds no kept answer, because the first died half-way, acts under the same id and changes nothing twice.
 */
export async function onceOnly(
  store: Store,
  req: Request,
  identity: Identity,
  act: (operationId: OperationId) => Promise<Answer | undefined>,
  resume: (operation: OperationRecord) => Promise<Answer>,
): Promise<Answer | undefined> {
  const key = req.get('Idempotency-Key');
  if (key === undefined) return act(freshOperationId());
  if (!KEY.test(key))
    throw new SluiceError('request-invalid', 'Idempotency-Key takes 1 to 255 visible ASCII characters.');

  const operationId = makeOperationId(derivedEntropy('idempotency', identity.id, key));
  const requestDigest = createHash('sha256')
    .update(`${req.method} ${req.originalUrl}\u0000`)
    .update(rawBodyOf(req))
    .digest('hex');
  const id = createHash('sha256').update(`${identity.id}\u0000${key}`).digest('hex');
  const holder = await store.idempotency.claim({ id, requestDigest, operationId, createdAt: new Date() });
  if (holder.requestDigest !== requestDigest)
    throw new SluiceError(
      'idempotency-key-reused',
      'The key was used for a request with another path or body.',
    );
  if (holder.answer)
    return { ...holder.answer, headers: { ...holder.answer.headers, 'Idempotency-Replayed': 'true' } };

  // Its effect may be there already, and only the answer was lost: asking again whether it is possible would
  // be answered by what it did itself.
  const begun = await store.operations.get(operationId);
  const answer = begun ? await resume(begun) : await act(operationId);
  if (answer && keepable(answer.status)) {
    const { status, body, headers = {} } = answer;
    await store.idempotency.answer(id, { status, body: body ?? null, headers });
  }
  return answer;
}
