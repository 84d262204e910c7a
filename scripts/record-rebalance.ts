import type { OperationView } from '../cli/client';
import { type SiteId, siteTaskQueue } from '../domain/ids';
import type { Recording } from './recording';

/** Crowds one host, and records what looks for that and evens it out. */
export async function recordRebalance({ client, temporal, run, keep }: Recording): Promise<void> {
  await client.write('POST', '/v1/tenants', { id: 'acme' });
  const others = ['host-2', 'host-3', 'host-4'];
  for (const id of others) await client.write('POST', `/v1/hosts/${id}/cordon`);
  const manifest = {
    apiVersion: 'sluice/v1',
    kind: 'Service',
    name: 'crowded',
    components: [
      {
        name: 'app',
        image: 'busybox',
        capacity: { cpuMillis: 1_500, memoryMiB: 1_500 },
        instances: { min: 1, initial: 4, max: 20 },
      },
    ],
  };
  await client.follow((await client.write<OperationView>('POST', '/v1/services?tenant=acme', manifest)).id);
  for (const id of others) await client.write('POST', `/v1/hosts/${id}/uncordon`);
  await run('site-rebalance', await client.write('POST', '/v1/site/rebalance', {}));
  const look = await temporal.workflow.start('lookForImbalance', {
    workflowId: 'site/home/look-for-imbalance',
    taskQueue: siteTaskQueue('home' as SiteId),
    args: [],
  });
  await look.result();
  await keep('look-for-imbalance', look.workflowId);
}
