import type { Request } from 'express';
import { onceOnly } from '../../api/idempotency';
import type { Identity } from '../../store/identities';
import type { IdempotencyRecord } from '../../store/records';
import type { Store } from '../../store/store';

/** The moment that no running system can be stopped at: the effect is there, the answer was never kept. */
describe('a key whose first request died after its effect', () => {
  const identity: Identity = { id: 'who', role: 'operator', name: 'who', createdAt: 0 };
  const request = {
    method: 'POST',
    originalUrl: '/v1/vees/vee-1/pause',
    get: () => 'k',
  } as unknown as Request;
  const kept: IdempotencyRecord['answer'][] = [];
  const storeWith = (operation: unknown) =>
    ({
      operations: { get: async () => operation },
      idempotency: {
        claim: async (record: IdempotencyRecord) => record,
        answer: async (_: string, answer: IdempotencyRecord['answer']) => void kept.push(answer),
      },
    }) as unknown as Store;

  it('is answered with the operation that it made, and does not act again', async () => {
    const act = jest.fn();
    const resume = jest.fn(async () => ({ status: 202, body: { id: 'op-1' } }));
    const answer = await onceOnly(storeWith({ id: 'op-1' }), request, identity, act, resume);
    expect(answer).toMatchObject({ status: 202, body: { id: 'op-1' } });
    expect(act).not.toHaveBeenCalled();
    expect(kept).toEqual([{ status: 202, body: { id: 'op-1' }, headers: {} }]);
  });

  it('acts when there was no effect, under an id that follows from who and the key', async () => {
    const ids: string[] = [];
    const act = async (id: string) => {
      ids.push(id);
      return { status: 202 };
    };
    for (const who of ['who', 'who', 'other'])
      await onceOnly(storeWith(undefined), request, { ...identity, id: who }, act, async () => ({
        status: 500,
      }));
    expect(ids[0]).toBe(ids[1]);
    expect(ids[2]).not.toBe(ids[0]);
  });
});
