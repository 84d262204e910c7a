import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { ApiClient } from '../cli/client';
import { System } from '../supervisor/system';

const VEES = 100;
const HOSTS = 10;
const ROUNDS = 5;
/** Define, start, ready, activate for each VEE; then those of the service as a whole. */
const ACTIVITIES = VEES * 4 + 6;

const median = (values: readonly number[]) =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/**
 * Provisioning 100 VEEs on 10 simulated hosts, as a ratio to a floor measured in the same run: a bare workflow
 * that runs as many empty activities, as many at a time, against the same server. And the 100th listing.
 */
async function main(): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const capacity = { cpuMillis: 64_000, memoryMiB: 65_536, diskMiB: 1_000_000, bandwidthKbps: 1_000_000 };
  const hosts = Array.from({ length: HOSTS }, (_, i) => ({
    id: `host-${i + 1}`,
    driver: 'simulator',
    capacity,
  }));
  const system = await System.start({
    dataDir,
    agents: [{ id: 'agent', hosts }],
    ports: { api: 0, temporal: 0, temporalUi: 0, mongodb: 0 },
  });
  try {
    const command = (await readFile(`/proc/${system.child('temporal').pid}/cmdline`, 'utf8')).split('\0');
    const address = `127.0.0.1:${command[command.indexOf('--port') + 1]}`;
    const bare = await bareWorkflow(address);
    const api = new ApiClient(system.access.apiUrl, system.access.token);
    await api.write('POST', '/v1/tenants', { id: 'bench' });

    const floor: number[] = [];
    const ours: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      floor.push(await bare.run(`bare-${round}`));
      ours.push(await provision(api, `bench-${round}`));
    }
    await bare.close();
    const listing = await listings(api, 200);
    const result = {
      vees: VEES,
      hosts: HOSTS,
      rounds: ROUNDS,
      provisionMillis: median(ours),
      bareWorkflowMillis: median(floor),
      ratio: Number((median(ours) / median(floor)).toFixed(2)),
      listServicesMedianMillis: Number(listing.toFixed(2)),
    };
    if (process.argv.includes('--json')) console.log(JSON.stringify(result));
    else {
      console.log(
        `Provisioning ${VEES} simulated VEEs on ${HOSTS} hosts: median ${result.provisionMillis} ms of ${ROUNDS}`,
      );
      console.log(
        `A bare workflow of ${ACTIVITIES} empty activities, 50 at a time:  ${result.bareWorkflowMillis} ms`,
      );
      console.log(`Ratio: ${result.ratio}`);
      console.log(
        `GET /v1/services, median of the 101st to the 200th: ${result.listServicesMedianMillis} ms`,
      );
    }
  } finally {
    await system.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function provision(api: ApiClient, name: string): Promise<number> {
  const component = {
    name: 'app',
    image: 'busybox',
    capacity: { cpuMillis: 10, memoryMiB: 8 },
    instances: { initial: VEES, max: VEES },
  };
  const began = performance.now();
  const started = await api.write('POST', '/v1/services?tenant=bench', {
    apiVersion: 'sluice/v1',
    kind: 'Service',
    name,
    components: [component],
  });
  const ended = await api.follow(started.id);
  const took = performance.now() - began;
  if (ended.state !== 'completed') throw new Error(`provisioning ended ${ended.state}`);
  await api.follow((await api.write('DELETE', `/v1/services/${started.serviceId}`)).id);
  return Math.round(took);
}

async function listings(api: ApiClient, count: number): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const began = performance.now();
    await api.get('/v1/services');
    times.push(performance.now() - began);
  }
  return median(times.slice(100));
}

async function bareWorkflow(
  address: string,
): Promise<{ run(id: string): Promise<number>; close(): Promise<void> }> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const connection = await NativeConnection.connect({ address });
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: join(__dirname, 'bare-workflow.js'),
    logger: new DefaultLogger('ERROR'),
  });
  const worker = await Worker.create({
    connection,
    namespace: 'sluice',
    taskQueue: 'bare',
    workflowBundle,
    activities: { nothing: async () => undefined },
  });
  const running = worker.run();
  const client = new Client({ connection: await Connection.connect({ address }), namespace: 'sluice' });
  return {
    async run(id) {
      const began = performance.now();
      await client.workflow.execute('bare', { workflowId: id, taskQueue: 'bare', args: [ACTIVITIES] });
      return Math.round(performance.now() - began);
    },
    async close() {
      worker.shutdown();
      await running;
      await client.connection.close();
      await connection.close();
    },
  };
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
