import { execFileSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import type { ApiClient } from '../cli/client';
import { activitiesIn, historiesOf } from './lib/histories';
import { between, type ProcessorTime, processorTime, total } from './lib/processor-time';
import { type BenchSite, median, runMain, serviceOf, withSite } from './lib/site';

const HOSTS = 20;
const QUEUE = 'bare';
const ACTIVITY_QUEUE = 'bare-activities';
/** The largest service that there may be, and one at which what an operation costs once still shows. */
const SIZES = [
  { vees: 1_000, rounds: 3 },
  { vees: 100, rounds: 5 },
];

/** What one side took: by the clock, and of the processors. Medians of the rounds. */
interface Taken {
  readonly millis: number;
  readonly processorMillis: ProcessorTime;
}

interface Result {
  readonly vees: number;
  readonly activities: number;
  readonly provision: Taken;
  /** By the floor. Ratios are of throughputs: 1 would be as many activities a second as a bare workflow makes. */
  readonly floors: Readonly<
    Record<Floor, Taken & { readonly ratio: number; readonly processorRatio: number }>
  >;
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
    for (const { vees, activities, provision, floors } of results) {
      console.log(
        `Provisioning ${vees} simulated VEEs on ${HOSTS} hosts, ${activities} activities: ${told(provision)}`,
      );
      for (const floor of FLOORS) {
        const { ratio, processorRatio } = floors[floor];
        console.log(`  a bare workflow of as many empty activities, ${floor}: ${told(floors[floor])}`);
        console.log(`    ratio ${ratio}; by processor time ${processorRatio}`);
      }
    }
    console.log(`GET /v1/services, median of the 101st to the 200th: ${listServicesMedianMillis} ms`);
  }),
);

async function compare(site: BenchSite, bare: BareWorkflow, vees: number, rounds: number): Promise<Result> {
  let activities = 0;
  const ours: Taken[] = [];
  const bares: Record<Floor, Taken[]> = { [FLOORS[0]]: [], [FLOORS[1]]: [] };
  const measured = async (run: () => Promise<number>): Promise<Taken> => {
    const before = processorTime(pidsOf(site));
    const millis = await run();
    return { millis, processorMillis: between(before, processorTime(pidsOf(site))) };
  };
  // The first round is not counted: it warms all sides up, and tells how many activities there are.
  for (let round = 0; round <= rounds; round++) {
    let ended: Provisioned | undefined;
    const taken = await measured(async () => {
      ended = await provision(site.api, `bench-${vees}-${round}`, vees);
      return ended.millis;
    });
    if (!ended) throw new Error('nothing was provisioned');
    if (round === 0) {
      const { own, batches } = await historiesOf(site.temporal, ended.operationId);
      activities = activitiesIn([own, ...batches]);
    } else ours.push(taken);
    await remove(site.api, ended);
    for (const floor of FLOORS) {
      const bareTaken = await measured(() => bare.run(`bare-${vees}-${round} ${floor}`, activities, floor));
      if (round > 0) bares[floor].push(bareTaken);
    }
  }
  const provisioned = medianOf(ours);
  const against = (floor: Floor) => {
    const taken = medianOf(bares[floor]);
    const ratio = Number((taken.millis / provisioned.millis).toFixed(2));
    const processorRatio = total(taken.processorMillis) / total(provisioned.processorMillis);
    return { ...taken, ratio, processorRatio: Number(processorRatio.toFixed(2)) };
  };
  return {
    vees,
    activities,
    provision: provisioned,
    floors: { [FLOORS[0]]: against(FLOORS[0]), [FLOORS[1]]: against(FLOORS[1]) },
  };
}

/** All that work on either side: what a site does of its own accord, such as its heartbeats, goes on under both. */
const pidsOf = ({ pidOf }: BenchSite) => ({
  temporal: pidOf('temporal'),
  mongodb: pidOf('mongodb'),
  site: pidOf('site'),
  agent: pidOf('agent'),
  api: pidOf('api'),
  bench: process.pid,
});

const medianOf = (all: readonly Taken[]): Taken => ({
  millis: median(all.map((t) => t.millis)),
  processorMillis: Object.fromEntries(
    Object.keys(all[0]?.processorMillis ?? {}).map((name) => [
      name,
      median(all.map((t) => t.processorMillis[name] ?? 0)),
    ]),
  ),
});

function told({ millis, processorMillis }: Taken): string {
  const each = Object.entries(processorMillis).map(([name, of]) => `${name} ${of}`);
  return `${millis} ms; processor ${total(processorMillis)} ms: ${each.join(', ')}`;
}

interface Provisioned {
  readonly millis: number;
  readonly operationId: string;
  readonly serviceId: string;
}

/** From the request to the end that the operation's record tells. */
async function provision(api: ApiClient, name: string, vees: number): Promise<Provisioned> {
  const began = Date.now();
  const started = await api.write('POST', '/v1/services?tenant=bench', serviceOf(name, vees));
  const ended = await api.follow(started.id);
  if (ended.state !== 'completed') throw new Error(`provisioning ended ${ended.state}`);
  return {
    millis: (ended.endedAt ?? 0) - began,
    operationId: started.id,
    serviceId: started.serviceId,
  };
}

async function remove(api: ApiClient, { serviceId }: Provisioned): Promise<void> {
  await api.follow((await api.write('DELETE', `/v1/services/${serviceId}`)).id);
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
