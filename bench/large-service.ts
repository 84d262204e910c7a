import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import type { OperationView } from '../cli/client';
import { MAX_VEES_PER_SERVICE } from '../domain/manifest/well-formed';
import type { Fault } from '../process/fault-points';
import { eventsOf, type History, historiesOf, largestPayload } from './lib/histories';
import { type BenchSite, median, runMain, serviceOf, withSite } from './lib/site';

const HOSTS = 100;
const MOST_EVENTS = 600;
const MOST_REPLAY_MILLIS = 500;
const MOST_PAYLOAD_BYTES = 200 * 1_024;
const REPLAYS = 3;

interface Row {
  readonly operation: string;
  readonly seconds: number;
  readonly events: number;
  readonly largestBatchEvents: number;
  readonly replayMillis: number;
  readonly largestPayloadBytes: number;
}

/**
 * Every operation on a service of as many VEEs as there may be, on a hundred simulated hosts: how long its history
 * grows, how long a worker takes to replay it, and the largest payload in it, each beside its bound.
 */
runMain(async () => {
  Runtime.install({ logger: new DefaultLogger('ERROR', () => undefined), shutdownSignals: [] });
  const faultsDir = await mkdtemp(join(tmpdir(), 'sluice-bench-faults-'));
  const rows: Row[] = [];
  try {
    await withSite(HOSTS, async (site) => void rows.push(...(await all(site, faultsDir))), {
      SLUICE_FAULTS_DIR: faultsDir,
    });
  } finally {
    await rm(faultsDir, { recursive: true, force: true });
  }
  report(rows);
});

async function all(site: BenchSite, faultsDir: string): Promise<Row[]> {
  const { api } = site;
  const rows: Row[] = [];
  const run = async (operation: string, state: string, asked: Promise<OperationView>) => {
    const { id } = await asked;
    const ended = await api.follow(id);
    if (ended.state !== state)
      throw new Error(`${operation} ended ${ended.state}: ${JSON.stringify(ended.error)}`);
    rows.push(await measure(site, operation, ended));
    return ended;
  };
  const apply = (name: string) =>
    api.write('POST', '/v1/services?tenant=bench', serviceOf(name, MAX_VEES_PER_SERVICE));

  const { serviceId } = await run('provision', 'completed', apply('large'));
  const on = (path: string, body?: unknown) => api.write('POST', `/v1/services/${serviceId}/${path}`, body);
  const scale = (instances: number) => on('components/app/scale', { instances });
  await run('suspend', 'completed', on('suspend'));
  await run('resume', 'completed', on('resume'));
  await run('scale in to none', 'completed', scale(0));
  await run('scale out from none', 'completed', scale(MAX_VEES_PER_SERVICE));
  await run('decommission', 'completed', api.write('DELETE', `/v1/services/${serviceId}`));

  const atTheEnd: Fault = { activity: 'operateService', occurrence: 1, when: 'before', act: 'fail' };
  await writeFile(join(faultsDir, 'arm-site.0.json'), JSON.stringify(atTheEnd));
  await run('provision, undone at its end', 'undone', apply('undone'));
  return rows;
}

async function measure(site: BenchSite, operation: string, ended: OperationView): Promise<Row> {
  const { own, batches } = await historiesOf(site.temporal, ended.id);
  return {
    operation,
    seconds: ((ended.endedAt ?? 0) - ended.createdAt) / 1_000,
    events: eventsOf(own).length,
    largestBatchEvents: Math.max(...batches.map((b) => eventsOf(b).length)),
    replayMillis: await replayMillis(own),
    largestPayloadBytes: Math.max(...[own, ...batches].map(largestPayload)),
  };
}

/** What a worker needs to take the operation over, its own start included. */
async function replayMillis(history: History): Promise<number> {
  const options = {
    workflowBundle: { code: await readFile(join(__dirname, '..', 'workflow-bundle.js'), 'utf8') },
    // Local activities must be known to a worker, though on replay their recorded results are taken.
    activities: { reportOperation: async () => undefined },
  };
  const times: number[] = [];
  for (let i = 0; i < REPLAYS; i++) {
    const began = performance.now();
    await Worker.runReplayHistory(options, history);
    times.push(performance.now() - began);
  }
  return Math.round(median(times));
}

function report(rows: readonly Row[]): void {
  if (process.argv.includes('--json')) {
    console.log(JSON.stringify(rows));
    return;
  }
  console.log(`A service of ${MAX_VEES_PER_SERVICE} VEEs on ${HOSTS} simulated hosts`);
  for (const r of rows) {
    console.log(`${r.operation}: ${r.seconds.toFixed(1)} s`);
    const bounded = (name: string, value: number, bound: number, unit: string) =>
      console.log(`  ${name}: ${value} ${unit} of at most ${bound}${value <= bound ? '' : ': EXCEEDED'}`);
    bounded('history', r.events, MOST_EVENTS, 'events');
    bounded('history of its largest batch', r.largestBatchEvents, MOST_EVENTS, 'events');
    bounded('replay', r.replayMillis, MOST_REPLAY_MILLIS, 'ms');
    bounded('largest payload', r.largestPayloadBytes, MOST_PAYLOAD_BYTES, 'bytes');
  }
  const exceeded = rows.some(
    (r) =>
      Math.max(r.events, r.largestBatchEvents) > MOST_EVENTS ||
      r.replayMillis > MOST_REPLAY_MILLIS ||
      r.largestPayloadBytes > MOST_PAYLOAD_BYTES,
  );
  if (exceeded) process.exitCode = 1;
}
