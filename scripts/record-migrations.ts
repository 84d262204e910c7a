import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OperationView } from '../cli/client';
import type { Recording } from './recording';

/** Migrations that a cancel aborts while their VEE is sent: one VEE, several, and one that was cancelled. */
export async function recordMigrations({ client, dataDir, run }: Recording): Promise<void> {
  await client.write('POST', '/v1/tenants', { id: 'acme' });
  const component = {
    ...{ name: 'app', image: 'busybox', capacity: { cpuMillis: 100, memoryMiB: 64 } },
    instances: { min: 1, initial: 2, max: 2 },
  };
  const manifest = { apiVersion: 'sluice/v1', kind: 'Service', name: 'moving', components: [component] };
  const { id } = await client.write('POST', '/v1/services?tenant=acme', manifest);
  const { serviceId } = await client.follow(id);
  const vees = () => client.list<{ id: string; hostId: string }>('/v1/vees', { service: String(serviceId) });
  const [vee] = await vees();
  await run('migrate-cancellable', await client.write('POST', `/v1/vees/${vee?.id}/migrate`, {}));
  const all = { deadlineMillis: 60_000, onDeadline: 'escalate' };
  await run(
    'several-migrate-cancellable',
    await client.write('POST', `/v1/services/${serviceId}/migrate`, all),
  );

  const scripts = ['host-1', 'host-2', 'host-3'].map((host) =>
    join(dataDir, 'agents', 'agent', 'hosts', host, 'script.json'),
  );
  for (const script of scripts) await writeFile(script, JSON.stringify({ held: ['send'] }));
  const held = await client.write('POST', `/v1/vees/${vee?.id}/migrate`, {});
  const isSent = ({ steps }: OperationView) => steps.some((s) => s.name === 'send' && s.state === 'running');
  while (!isSent(await client.get<OperationView>(`/v1/operations/${held.id}`))) await delay(50);
  await client.write('POST', `/v1/operations/${held.id}/cancel`);
  await delay(1_000);
  for (const script of scripts) await rm(script);
  await run('migrate-cancelled-while-sent', held);
}
