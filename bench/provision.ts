import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { ApiClient } from '../cli/client';
import { activitiesIn, historiesOf } from './lib/histories';
import { type BenchSite, median, runMain, serviceOf, withSite } from './lib/site';

const HOSTS = 20;
const QUEUE = 'bare';
const ACTIVITY_QUEUE = 'bare-activities';
/** The largest service that there may be, and one at which what an operation costs once still shows. */
const SIZES = [
  { vees: 1_000, rounds: 3 },
  { vees: 100, rounds: 5 },
];

interface Result {
  readonly vees: number;
  readonly activities: number;
  readonly provisionMillis: number;
  /** By the floor. Ratios are of throughputs: 1 would be as many activities a second as a bare workflow makes. */
  readonly floors: Readonly<Record<Floor, { readonly millis: number; readonly ratio: number }>>;
}

/**
 * Where the bare workflow's activities run. Ours run on the hosts' agents, never beside their workflow: the first is
 * what Temporal takes for just that. The second spares itself the way through a queue, since a server hands a
 * workflow's worker its own activities at once; nothing that runs on other machines can come near it.
 */
const FLOORS = ['on a worker of their own', 'on the worker of their workflow'] as const;
type Floor = (typeof FLOORS)[number];

/**
 * How fast services are provisioned on simulated hosts, as a ratio of throughputs to a floor that is measured in the
 * same run: a bare Temporal workflow that makes as many activities with nothing in them, on the same server (see
 * `FLOORS`). How many a provisioning makes is counted in its histories. And the 100th listing.
 *
 * `--temporal-apart` gives the Temporal server a core of its own, and all else the others, for both sides: it has
 * machines of its own where there is more than one, and what is then compared is how much of what it can do we use.
 */
runMain(() =>
  withSite(HOSTS, async (site) => {
    const bare = await bareWorkflow(site);
    if (process.argv.includes('--temporal-apart')) setTemporalApart(site);
    const results: Result[] = [];
    for (const { vees, rounds } of SIZES) results.push(await compare(site, bare, vees, rounds));
    await bare.close();
    const listServicesMedianMillis = Number((await listings(site.api, 200)).toFixed(2));
    if (process.argv.includes('--json')) {
      console.log(JSON.stringify({ results, listServicesMedianMillis }));
      return;
    }
    for (const { vees, activities, provisionMillis, floors } of results) {
      console.log(
        `Provisioning ${vees} simulated VEEs on ${HOSTS} hosts, ${activities} activities: median ${provisionMillis} ms`,
      );
      for (const floor of FLOORS) {
        const { millis, ratio } = floors[floor];
        console.log(`  a bare workflow of as many empty activities, ${floor}: ${millis} ms, ratio ${ratio}`);
      }
    }
    console.log(`GET /v1/services, median of the 101st to the 200th: ${listServicesMedianMillis} ms`);
  }),
);

async function compare(site: BenchSite, bare: BareWorkflow, vees: number, rounds: number): Promise<Result> {
  let activities = 0;
  const ours: number[] = [];
  const bares: Record<Floor, number[]> = { [FLOORS[0]]: [], [FLOORS[1]]: [] };
  // The first round is not counted: it warms all sides up, and tells how many activities there are.
  for (let round = 0; round <= rounds; round++) {
    const { millis, operationId } = await provision(site.api, `bench-${vees}-${round}`, vees);
    if (round === 0) {
      const { own, batches } = await historiesOf(site.temporal, operationId);
      activities = activitiesIn([own, ...batches]);
    } else ours.push(millis);
    for (const floor of FLOORS) {
      const bareMillis = await bare.run(`bare-${vees}-${round} ${floor}`, activities, floor);
      if (round > 0) bares[floor].push(bareMillis);
    }
  }
  const provisionMillis = median(ours);
  const against = (floor: Floor) => {
    const millis = median(bares[floor]);
    return { millis, ratio: Number((millis / provisionMillis).toFixed(2)) };
  };
  return {
    vees,
    activities,
    provisionMillis,
    floors: { [FLOORS[0]]: against(FLOORS[0]), [FLOORS[1]]: against(FLOORS[1]) },
  };
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

function setTemporalApart({ pidOf }: BenchSite): void {
  const cores = availableParallelism();
  if (cores < 2) throw new Error('--temporal-apart needs two cores');
  const pin = (to: string, pid: number) => execFileSync('taskset', ['--all-tasks', '-cp', to, String(pid)]);
  pin('0', pidOf('temporal'));
  for (const pid of [pidOf('mongodb'), pidOf('site'), pidOf('agent'), pidOf('api'), process.pid])
    pin(`1-${cores - 1}`, pid);
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
  run(id: string, activities: number, floor: Floor): Promise<number>;
  close(): Promise<void>;
}

async function bareWorkflow({ temporal, temporalAddress, namespace }: BenchSite): Promise<BareWorkflow> {
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  const connection = await NativeConnection.connect({ address: temporalAddress });
  const workflowBundle = await bundleWorkflowCode({
    workflowsPath: join(__dirname, 'bare-workflow.js'),
    logger: new DefaultLogger('ERROR'),
  });
  const activities = { nothing: async () => undefined };
  const workers = [
    await Worker.create({ connection, namespace, taskQueue: QUEUE, workflowBundle, activities }),
    await Worker.create({ connection, namespace, taskQueue: ACTIVITY_QUEUE, activities }),
  ];
  const running = Promise.all(workers.map((worker) => worker.run()));
  return {
    async run(workflowId, count, floor) {
      const began = performance.now();
      const args = floor === FLOORS[0] ? [count, ACTIVITY_QUEUE] : [count];
      await temporal.workflow.execute('bare', { workflowId, taskQueue: QUEUE, args });
      return Math.round(performance.now() - began);
    },
    async close() {
      for (const worker of workers) worker.shutdown();
      await running;
      await connection.close();
    },
  };
}
