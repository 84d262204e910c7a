import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { ApiClient, type OperationView } from '../cli/client';
import { type OperationId, operationWorkflowId, type ServiceId, serviceWorkflowId } from '../domain/ids';
import { System } from '../supervisor/system';
import { recordRecompositions } from './recorded-recompositions';

const FOLDER = join(__dirname, '..', '..', 'test', 'replay', 'histories');
const CAPACITY = { cpuMillis: 8_000, memoryMiB: 8_192, diskMiB: 100_000, bandwidthKbps: 1_000_000 };

/**
 * Runs every shape of workflow once on simulated hosts and keeps its history for the replay test. A history
 * that is there already is never written again: it stands for workflows that may be running somewhere.
 */
async function main(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-record-'));
  const hosts = [1, 2, 3].map((n) => ({ id: `host-${n}`, driver: 'simulator', capacity: CAPACITY }));
  const system = await System.start({
    dataDir,
    agents: [{ id: 'agent', hosts }],
    ports: { api: 0, temporal: 0, temporalUi: 0, mongodb: 0 },
    environment: {
      SLUICE_ATTEMPT_MILLIS: '3000',
      SLUICE_GIVE_UP_MILLIS: '5000',
      SLUICE_UNDO_GIVE_UP_MILLIS: '5000',
    },
  });
  try {
    const client = new ApiClient(system.access.apiUrl, system.access.token);
    const command = (await readFile(`/proc/${system.child('temporal').pid}/cmdline`, 'utf8')).split('\0');
    const address = `127.0.0.1:${command[command.indexOf('--port') + 1]}`;
    const temporal = new Client({ connection: await Connection.connect({ address }), namespace: 'sluice' });
    await record(client, temporal, dataDir);
    await temporal.connection.close();
  } finally {
    await system.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function record(client: ApiClient, temporal: Client, dataDir: string): Promise<void> {
  await client.write('POST', '/v1/tenants', { id: 'acme' });
  const keep = async (name: string, workflowId: string) => {
    const path = join(FOLDER, `${name}.json`);
    if (existsSync(path)) return console.log(`kept as it is: ${name}`);
    const history = await temporal.workflow.getHandle(workflowId).fetchHistory();
    await writeFile(path, `${historyToJSON(history)}\n`);
    console.log(`recorded: ${name}`);
  };
  const run = async (name: string, started: OperationView): Promise<OperationView> => {
    const ended = await client.follow(started.id);
    await keep(name, operationWorkflowId(ended.id as OperationId));
    return ended;
  };
  const capacity = { cpuMillis: 100, memoryMiB: 64 };
  const manifest = {
    apiVersion: 'sluice/v1',
    kind: 'Service',
    name: 'recorded',
    components: [
      { name: 'db', image: 'busybox', capacity },
      { name: 'app', image: 'busybox', capacity, instances: { min: 1, initial: 2, max: 5 } },
    ],
    topology: { dependencies: [{ component: 'app', dependsOn: ['db'] }] },
  };
  const { serviceId } = await run(
    'provision',
    await client.write('POST', '/v1/services?tenant=acme', manifest),
  );
  await run(
    'scale-out',
    await client.write('POST', `/v1/services/${serviceId}/components/app/scale`, { instances: 3 }),
  );
  await run(
    'scale-in',
    await client.write('POST', `/v1/services/${serviceId}/components/app/scale`, { instances: 1 }),
  );
  const [vee] = await client.list<{ id: string }>('/v1/vees', { service: serviceId, component: 'db' });
  const onVee = (verb: string, body?: unknown) => client.write('POST', `/v1/vees/${vee?.id}/${verb}`, body);
  await run('migrate', await onVee('migrate', {}));
  await run('pause', await onVee('pause'));
  await run('resume', await onVee('resume'));
  await run('suspend', await onVee('suspend'));
  await run('restore', await onVee('restore'));
  await run('restart', await onVee('restart'));
  await run('resize', await onVee('resize', { cpuMillis: 200 }));
  await run('suspend-service', await client.write('POST', `/v1/services/${serviceId}/suspend`));
  await run('resume-service', await client.write('POST', `/v1/services/${serviceId}/resume`));
  await run('decommission', await client.write('DELETE', `/v1/services/${serviceId}`));
  await keep('service-entity', serviceWorkflowId(serviceId as ServiceId));

  await recordRecompositions(client, dataDir, run);

  const faults = { faults: [{ verb: 'start', call: 0, when: 'before', do: 'fail', code: 'driver-refused' }] };
  for (const n of [1, 2, 3])
    await writeFile(
      join(dataDir, 'agents', 'agent', 'hosts', `host-${n}`, 'script.json'),
      JSON.stringify(faults),
    );
  await run(
    'provision-undone',
    await client.write('POST', '/v1/services?tenant=acme', { ...manifest, name: 'undone' }),
  );
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
