import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils';
import { ApiClient, type OperationView } from '../cli/client';
import {
  type HostId,
  hostWorkflowId,
  type OperationId,
  operationWorkflowId,
  type ServiceId,
  type SiteId,
  serviceWorkflowId,
  siteWorkflowId,
} from '../domain/ids';
import { System } from '../supervisor/system';
import { recordBatches } from './record-batches';
import { recordCapture } from './record-capture';
import { recordMigrations } from './record-migrations';
import { recordRebalance } from './record-rebalance';
import { recordRecompositions } from './record-recompositions';
import { recordReconciliation } from './record-reconciliation';
import { recordResizeByRestart } from './record-resize-by-restart';
import type { Keeper } from './recording';

/** A change of shape that `patched()` lets in begins a new generation; the earlier ones stay as they are. */
const GENERATION = '4';
const FOLDER = join(__dirname, '..', '..', 'test', 'replay', 'histories', GENERATION);
const CAPACITY = { cpuMillis: 8_000, memoryMiB: 8_192, diskMiB: 100_000, bandwidthKbps: 1_000_000 };

/**
 * Runs every shape of workflow once on simulated hosts and keeps its history for the replay test. A history
 * that is there already is never written again: it stands for workflows that may be running somewhere.
 */
async function main(only: readonly string[]): Promise<void> {
  for (const [name, part] of Object.entries(PARTS))
    if (only.length === 0 || only.includes(name)) await part();
}

/** Each in a system of its own. */
const PARTS: Readonly<Record<string, () => Promise<void>>> = {
  usual: () =>
    withSystem({}, async ({ client, temporal, keeper, dataDir, system }) => {
      await record(client, temporal, keeper, dataDir);
      await recordMaintenance(client, keeper, system);
    }),
  batches: () =>
    withSystem({ SLUICE_BATCH_SIZE: '2' }, ({ client, temporal, keeper, dataDir }) =>
      recordBatches({ client, temporal, dataDir, ...keeper }),
    ),
  'resize-by-restart': () =>
    withSystem({ SLUICE_SIMULATOR_LACKS: 'liveResize' }, ({ client, keeper }) =>
      recordResizeByRestart(client, keeper),
    ),
  capture: () => withSystem({}, ({ client, keeper }) => recordCapture(client, keeper)),
  rebalance: () =>
    withSystem({}, ({ client, temporal, keeper, dataDir }) =>
      recordRebalance({ client, temporal, dataDir, ...keeper }),
    ),
  migrations: () =>
    withSystem({}, ({ client, temporal, keeper, dataDir }) =>
      recordMigrations({ client, temporal, dataDir, ...keeper }),
    ),
};

interface Recorded {
  readonly client: ApiClient;
  readonly temporal: Client;
  readonly keeper: Keeper;
  readonly dataDir: string;
  readonly system: System;
}

async function withSystem(
  environment: Readonly<Record<string, string>>,
  work: (recorded: Recorded) => Promise<void>,
): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-record-'));
  const hosts = [1, 2, 3].map((n) => ({ id: `host-${n}`, driver: 'simulator', capacity: CAPACITY }));
  const system = await System.start({
    dataDir,
    agents: [
      { id: 'agent', hosts },
      { id: 'mortal', hosts: [{ id: 'host-4', driver: 'simulator', capacity: CAPACITY }] },
    ],
    ports: { api: 0, temporal: 0, temporalUi: 0, mongodb: 0 },
    environment: {
      SLUICE_SUSPECT_MILLIS: '1000',
      SLUICE_LOST_MILLIS: '3000',
      SLUICE_ATTEMPT_MILLIS: '3000',
      SLUICE_GIVE_UP_MILLIS: '5000',
      SLUICE_UNDO_GIVE_UP_MILLIS: '5000',
      // It is asked for here, when there is something to record.
      SLUICE_RECONCILE_MILLIS: '0',
      SLUICE_ORPHAN_GRACE_MILLIS: '100',
      ...environment,
    },
  });
  try {
    const client = new ApiClient(system.access.apiUrl, system.access.token);
    const { TEMPORAL_ADDRESS: address = '' } = system.child('site').spec.environment ?? {};
    const temporal = new Client({ connection: await Connection.connect({ address }), namespace: 'sluice' });
    await work({ client, temporal, keeper: keeperOf(client, temporal), dataDir, system });
    await temporal.connection.close();
  } finally {
    await system.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

function keeperOf(client: ApiClient, temporal: Client): Keeper {
  const keep = async (name: string, workflowId: string) => {
    await mkdir(FOLDER, { recursive: true });
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
  return { keep, run };
}

async function record(
  client: ApiClient,
  temporal: Client,
  { keep, run }: Keeper,
  dataDir: string,
): Promise<void> {
  await client.write('POST', '/v1/tenants', { id: 'acme' });
  // Of the host that is to be lost nothing is recorded before.
  await client.write('POST', '/v1/hosts/host-4/cordon');
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
  await run('resize-shrink', await onVee('resize', { cpuMillis: 100 }));
  await recordReconciliation({ client, temporal, dataDir, run, keep }, String(serviceId));
  await run('suspend-service', await client.write('POST', `/v1/services/${serviceId}/suspend`));
  await run('resume-service', await client.write('POST', `/v1/services/${serviceId}/resume`));
  await run('decommission', await client.write('DELETE', `/v1/services/${serviceId}`));
  await keep('service-entity', serviceWorkflowId(serviceId as ServiceId));

  await client.write('POST', '/v1/hosts/host-4/uncordon');
  await recordRecompositions(client, dataDir, run);

  const faults = { faults: [{ verb: 'start', call: 0, when: 'before', do: 'fail', code: 'driver-refused' }] };
  const scripts = [1, 2, 3, 4].map((n) =>
    join(dataDir, 'agents', n === 4 ? 'mortal' : 'agent', 'hosts', `host-${n}`, 'script.json'),
  );
  for (const script of scripts) await writeFile(script, JSON.stringify(faults));
  await run(
    'provision-undone',
    await client.write('POST', '/v1/services?tenant=acme', { ...manifest, name: 'undone' }),
  );
  for (const script of scripts) await rm(script);
}

/** What is done to hosts and to the site; the host of the agent `mortal` is lost on the way. */
async function recordMaintenance(client: ApiClient, { keep, run }: Keeper, system: System): Promise<void> {
  const capacity = { cpuMillis: 100, memoryMiB: 64 };
  const manifest = {
    apiVersion: 'sluice/v1',
    kind: 'Service',
    name: 'maintained',
    components: [{ name: 'app', image: 'busybox', capacity, instances: { min: 1, initial: 8, max: 20 } }],
  };
  const { serviceId } = await client.follow(
    (await client.write('POST', '/v1/services?tenant=acme', manifest)).id,
  );
  const vees = await client.list<{ id: string; hostId: string }>('/v1/vees', { service: serviceId });
  const paused = vees.find((v) => v.hostId !== 'host-4');
  const hostId = paused?.hostId ?? '';
  await client.follow((await client.write('POST', `/v1/vees/${paused?.id}/pause`)).id);
  const drain = await run(
    'drain',
    await client.write('POST', `/v1/hosts/${hostId}/drain`, { immovable: 'restart' }),
  );
  for (const child of await client.list<OperationView>('/v1/operations', { parent: drain.id }))
    await keep(child.kind.replace('service.', 'several-'), operationWorkflowId(child.id as OperationId));
  await run('restore-host', await client.write('POST', `/v1/hosts/${hostId}/restore`));
  await keep('host-entity', hostWorkflowId('home' as SiteId, hostId as HostId));

  process.kill(system.child('mortal').pid ?? 0, 'SIGSTOP');
  while ((await client.get<{ liveness: string }>('/v1/hosts/host-4')).liveness !== 'lost') await delay(200);
  await run('recover', await client.write('POST', '/v1/hosts/host-4/recover', { confirmedDown: true }));
  process.kill(system.child('mortal').pid ?? 0, 'SIGCONT');
  while ((await client.get<{ liveness: string }>('/v1/hosts/host-4')).liveness !== 'up') await delay(200);

  await run('shutdown', await client.write('POST', '/v1/site/shutdown'));
  await run('power-up', await client.write('POST', '/v1/site/power-up'));
  await keep('site-entity', siteWorkflowId('home' as SiteId));
  const scales = await Promise.all(
    [4, 6, 5].map((instances) =>
      client.write('POST', `/v1/services/${serviceId}/components/app/scale`, { instances }),
    ),
  );
  for (const { id } of scales) await client.follow(id);
  await keep('service-entity-queueing', serviceWorkflowId(serviceId as ServiceId));
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
