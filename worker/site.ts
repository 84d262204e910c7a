import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker';
import { createSiteActivities } from '../activities';
import { commandFencing } from '../activities/fencing';
import { activityInterceptor } from '../activities/interceptor';
import { siteTaskQueue, waitTaskQueue, watchWorkflowId } from '../domain/ids';
import { FaultPoints } from '../process/fault-points';
import { onStop, reportReady, runMain } from '../process/lifecycle';
import { createLogger, type Logger } from '../process/log';
import { plannerInThread } from '../process/planner';
import { PolicyPlugins } from '../process/policies/plugins';
import { siteSettings } from '../process/settings';
import { endAfterStandstill } from '../process/standstill';
import { connectStore, type StoreConnection } from '../store/connect';
import { ensureIndexes } from '../store/indexes';
import { placementPolicies } from '../store/placement-policies';
import { createStore } from '../store/store';
import { lazyTemporalClient } from '../temporal/connection';
import { ensureSchedule } from '../temporal/schedule';
import { ensureSearchAttributes } from '../temporal/setup';
import { Operations } from '../temporal/submit';
import { workerConnection } from '../temporal/worker-connection';

/**
 * A workflow task that is not answered within its time (3 s) is given out again, perhaps to this very worker. One that
 * had a report of progress under way (a local activity, in operations from before `journal-activity`) then takes the
 * new task for part of the old one: it goes on in an order that no later replay can follow, and the operation never
 * ends. Seen in one of ten operations that a standstill of 3.5 s met (SDK 1.24).
 */
const MOST_STANDSTILL_MILLIS = 1_500;

/** Each costs a look into the database now and then. */
const MOST_WAITS = 1_000;

/** Composition root of a site worker: workflows and site activities on one task queue, those that wait on another. */
async function main(log: Logger): Promise<void> {
  endAfterStandstill(MOST_STANDSTILL_MILLIS);
  const settings = siteSettings();
  const { siteId } = settings;
  installRuntime(log);

  const connection = await connectStore(settings.mongoUri, settings.database, (why) =>
    log.warn({ why }, 'not connected to the database yet'),
  );
  await untilIndexed(connection, log);
  const store = createStore(connection, {
    largeFrom: settings.largeFrom,
    tell: (why) => log.warn({ why }, 'the whole site is read instead of what has changed'),
  });
  const { client, namespace } = lazyTemporalClient();
  const native = await workerConnection((address) =>
    log.warn({ address }, 'Temporal is not reachable yet: TEMPORAL_ADDRESS says where it is'),
  );
  await ensureSearchAttributes(client, namespace);

  const operations = new Operations(client, settings);
  const planner = plannerInThread(settings);
  const activities = createSiteActivities({
    siteId,
    store,
    now: Date.now,
    policies: placementPolicies({
      ...{ store, siteId, now: Date.now, initial: settings.placementPolicy },
      plugins: new PolicyPlugins(settings.policyFolder),
    }),
    migrationBudget: settings.migrationBudget,
    liveness: settings.liveness,
    batchSize: settings.batchSize,
    networkPool: settings.networkPool,
    submit: async (record) => {
      const { serviceId, hostId } = record;
      const service = serviceId && (await store.services.get(serviceId));
      await operations.submit(record, service ? service.name : (hostId ?? siteId));
    },
    cancel: (record) => operations.cancel(record),
    tellFenced: (id, hostId) => operations.tellFenced(id, hostId),
    recovery: settings.recovery,
    drift: settings.drift,
    planRebalance: planner.planRebalance,
    placeHarder: planner.placeHarder,
    decideMoves: planner.decideMoves,
    planLease: planner.planLease,
    fencing: settings.fencing && commandFencing(settings.fencing.command, settings.fencing.timeoutMillis),
  });
  const taskQueue = siteTaskQueue(siteId);
  const shared = {
    connection: native.connection,
    namespace,
    activities,
    interceptors: { activity: [activityInterceptor(FaultPoints.fromEnvironment('site'))] },
    shutdownGraceTime: '500ms',
  };
  const worker = await Worker.create({
    ...shared,
    taskQueue,
    workflowBundle: {
      codePath: settings.workflowBundle ?? join(__dirname, '..', 'workflow-bundle.js'),
    },
    // The stock 10 s is how long a workflow would hang on a worker that died.
    stickyQueueScheduleToStartTimeout: '1s',
    maxCachedWorkflows: 500,
  });
  const waiter = await Worker.create({
    ...shared,
    taskQueue: waitTaskQueue(taskQueue),
    maxConcurrentActivityTaskExecutions: MOST_WAITS,
  });
  await client.workflow.start('watch', {
    workflowId: watchWorkflowId(siteId),
    taskQueue,
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowTaskTimeout: '3s',
    staticSummary: `watch of site ${siteId}`,
  });
  await ensureSchedule(client, siteId, {
    name: 'reconcile',
    workflowType: 'lookForDrift',
    looksFor: 'drift',
    everyMillis: settings.reconcileMillis,
  });
  await ensureSchedule(client, siteId, {
    name: 'rebalance',
    workflowType: 'lookForImbalance',
    looksFor: 'imbalance',
    everyMillis: settings.rebalanceMillis,
  });
  await ensureSchedule(client, siteId, {
    name: 'leases',
    workflowType: 'lookForLeases',
    looksFor: 'leases',
    everyMillis: settings.leasesMillis,
  });

  const workers = [worker, waiter];
  const running = Promise.all(workers.map((w) => w.run()));
  onStop(log, async () => {
    for (const w of workers) if (w.getState() === 'RUNNING') w.shutdown();
    await running;
    await native.connection.close();
    await store.contents.close();
    await connection.close();
  });
  log.info({ siteId, namespace }, 'site worker runs');
  reportReady();
  await running;
}

function installRuntime(log: Logger): void {
  const logger = new DefaultLogger('WARN', ({ level, message, meta }) => {
    const write = level === 'ERROR' ? log.error : log.warn;
    write.call(log, { ...meta }, message);
  });
  Runtime.install({ logger, shutdownSignals: [] });
}

async function untilIndexed(connection: StoreConnection, log: Logger): Promise<void> {
  for (;;) {
    try {
      return await ensureIndexes(connection.db);
    } catch (error) {
      log.warn({ err: error }, 'the database is away; trying again');
      await delay(1_000);
    }
  }
}

const log = createLogger('site');
runMain(log, () => main(log));
