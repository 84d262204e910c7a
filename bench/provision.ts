import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { ApiClient } from '../cli/client';
import { activitiesIn, historiesOf } from './lib/histories';
import { type BenchSite, median, runMain, serviceOf, withSite } from './lib/site';

const HOSTS = 20;
/** The largest service that there may be, and one at which what an operation costs once still shows. */
const SIZES = [
  { vees: 1_000, rounds: 3 },
  { vees: 100, rounds: 5 },
];

interface Result {
  readonly vees: number;
  readonly activities: number;
  readonly provisionMillis: number;
  readonly bareWorkflowMillis: number;
  /** Of throughputs: 1 would be as many activities a second as a bare workflow makes. */
  readonly ratio: number;
}

/**
 * How fast services are provisioned on simulated hosts, as a ratio of throughputs to a floor that is measured in the
 * same run: a bare Temporal workflow that makes as many activities with nothing in them, on the same server. How
 * many a provisioning makes is counted in its histories. And the 100th listing.
 */
runMain(() =>
  withSite(HOSTS, async (site) => {
    const bare = await bareWorkflow(site);
    const results: Result[] = [];
    for (const { vees, rounds } of SIZES) results.push(await compare(site, bare, vees, rounds));
    await bare.close();
    const listServicesMedianMillis = Number((await listings(site.api, 200)).toFixed(2));
    if (process.argv.includes('--json')) {
      console.log(JSON.stringify({ results, listServicesMedianMillis }));
      return;
    }
    for (const { vees, activities, provisionMillis, bareWorkflowMillis, ratio } of results) {
      console.log(
        `Provisioning ${vees} simulated VEEs on ${HOSTS} hosts, ${activities} activities: median ${provisionMillis} ms`,
      );
      console.log(`  a bare workflow of as many empty activities: ${bareWorkflowMillis} ms`);
      console.log(`  throughput as a ratio to it: ${ratio}${vees === 1_000 ? ' (at least 0.8)' : ''}`);
    }
    console.log(`GET /v1/services, median of the 101st to the 200th: ${listServicesMedianMillis} ms`);
  }),
);

async function compare(site: BenchSite, bare: BareWorkflow, vees: number, rounds: number): Promise<Result> {
  let activities = 0;
  const floor: number[] = [];
  const ours: number[] = [];
  // The first round is not counted: it warms both sides up, and tells how many activities there are.
  for (let round = 0; round <= rounds; round++) {
    const { millis, operationId } = await provision(site.api, `bench-${vees}-${round}`, vees);
    if (round === 0) {
      const { own, batches } = await historiesOf(site.temporal, operationId);
      activities = activitiesIn([own, ...batches]);
    }
    const bareMillis = await bare.run(`bare-${vees}-${round}`, activities);
    if (round === 0) continue;
    ours.push(millis);
    floor.push(bareMillis);
  }
  const [provisionMillis, bareWorkflowMillis] = [median(ours), median(floor)];
  const ratio = Number((bareWorkflowMillis / provisionMillis).toFixed(2));
  return { vees, activities, provisionMillis, bareWorkflowMillis, ratio };
}

/** From the request to the end that the operation's record tells. */
async function provision(
  api: ApiClient,
  name: string,
  vees: number,
): Promise<{ millis: number; operationId: string }> {
  const began = Date.now();
  const started = await api.write('POST', '/v1/services?tenant=bench', serviceOf(name, vees));
  const ended = await api.follow(started.id);
  if (ended.state !== 'completed') throw new Error(`provisioning ended ${ended.state}`);
  await api.follow((await api.write('DELETE', `/v1/services/${started.serviceId}`)).id);
  return { millis: (ended.endedAt ?? 0) - began, operationId: started.id };
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

interface BareWorkflow {
  run(id: string, activities: number): Promise<number>;
  close(): Promise<void>;
}

async function bareWorkflow({ temporal, temporalAddress, namespace }: BenchSite): Promise<BareWorkflow> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const connection = await NativeConnection.connect({ address: temporalAddress });
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: join(__dirname, 'bare-workflow.js'),
    logger: new DefaultLogger('ERROR'),
  });
  const worker = await Worker.create({
    connection,
    namespace,
    taskQueue: 'bare',
    workflowBundle,
    activities: { nothing: async () => undefined },
  });
  const running = worker.run();
  return {
    async run(workflowId, activities) {
      const began = performance.now();
      await temporal.workflow.execute('bare', { workflowId, taskQueue: 'bare', args: [activities] });
      return Math.round(performance.now() - began);
    },
    async close() {
      worker.shutdown();
      await running;
      await connection.close();
    },
  };
}
