import type { ApiDeps } from '../../api/deps';
import type { Context } from '../../api/route';
import { leaseRoutes } from '../../api/routes/leases';
import type { Lease } from '../../domain/leases/model';

/** What is done to a lease by whoever cancels it. */
async function cancelled(until: number) {
  const done: string[] = [];
  const note = (what: string) => (about: { kind?: string }) => {
    done.push(about.kind ?? what);
    return Promise.resolve(true);
  };
  const lease = { id: 'rsv-1', tenantId: 'acme', name: 'web', from: 0, until, confirmed: true } as Lease;
  const store = {
    leases: { get: () => Promise.resolve(lease), end: note('end') },
    hosts: { withdraw: note('withdraw') },
    events: { append: note('event') },
  };
  const route = leaseRoutes({ store } as unknown as ApiDeps).find((r) => r.method === 'delete');
  const identity = { id: 'i', name: 'ann', role: 'operator', createdAt: 0 };
  const context = { identity, operationId: 'op-1', params: { id: lease.id } } as unknown as Context;
  const answer = await route?.handler(context);
  return { done, status: answer?.status };
}

describe('who cancels a reservation', () => {
  it('takes back what is promised', async () => {
    const { status, done } = await cancelled(Date.now() + 60_000);
    expect([status, ...done]).toEqual([200, 'end', 'lease.cancelled', 'withdraw']);
  });

  it('has cancelled nothing when it was over already: the site says what has become of it', async () => {
    expect(await cancelled(Date.now() - 1)).toEqual({ status: 200, done: [] });
  });
});
