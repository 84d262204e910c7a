import type { ApiClient } from '../cli/client';
import type { Keeper } from './recording';

/** Of a VEE that runs, on a simulated host. */
export async function recordCapture(client: ApiClient, { run }: Keeper): Promise<void> {
  await client.write('POST', '/v1/tenants', { id: 'acme' });
  const component = { name: 'db', image: 'busybox', capacity: { cpuMillis: 100, memoryMiB: 64 } };
  const manifest = { apiVersion: 'sluice/v1', kind: 'Service', name: 'warm', components: [component] };
  const { id } = await client.write('POST', '/v1/services?tenant=acme', manifest);
  const { serviceId } = await client.follow(id);
  const [vee] = await client.list<{ id: string }>('/v1/vees', { service: String(serviceId) });
  await run('capture', await client.write('POST', `/v1/vees/${vee?.id}/capture`, { name: 'warm' }));
}
