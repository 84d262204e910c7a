import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import { FaultPoints } from '../process/fault-points';
import { onStop, reportReady, runMain } from '../process/lifecycle';
import { createLogger, type Logger } from '../process/log';
import { plannerInThread } from '../process/planner';
import { AlgorithmPlugins } from '../process/policies/algorithms';
import { PolicyPlugins } from '../process/policies/plugins';
import { readEnvironment, siteSettings } from '../process/settings';
import { connectStore, isStoreAway } from '../store/connect';
import { ensureIndexes } from '../store/indexes';
import { placementPolicies } from '../store/placement-policies';
import { createStore } from '../store/store';
import { lazyTemporalClient } from '../temporal/connection';
import { Operations } from '../temporal/submit';
import { createApp } from './app';

const apiSchema = z.object({
  SLUICE_API_HOST: z.string().default('127.0.0.1'),
  SLUICE_API_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
  SLUICE_OPERATOR_TOKEN: z.string().min(16).optional(),
  SLUICE_JOIN_TOKEN: z.string().min(16).optional(),
  SLUICE_TEMPORAL_UI: z.url().optional(),
  SLUICE_IMAGE_SOURCES: z.string().startsWith('/').optional(),
  SLUICE_IMAGE_PRIVATE_URLS: z.stringbool().default(false),
});

const BOOTSTRAP_JOIN_MILLIS = 86_400_000;
const DRAIN_MILLIS = 10_000;

/** Composition root of an API process. */
async function main(log: Logger): Promise<void> {
  const settings = siteSettings();
  const env = readEnvironment(apiSchema, process.env);
  const connection = await connectStore(settings.mongoUri, settings.database, (why) =>
    log.warn({ why }, 'not connected to the database yet'),
  );
  const store = createStore(connection, {
    largeFrom: settings.largeFrom,
    tell: (why) => log.warn({ why }, 'the whole site is read instead of what has changed'),
  });
  const { client, namespace } = lazyTemporalClient();
  const plugins = new PolicyPlugins(settings.policyFolder);
  let started = false;
  const stopping = new AbortController();
  const app = createApp({
    siteId: settings.siteId,
    store,
    operations: new Operations(client, settings),
    temporal: client,
    policies: placementPolicies({
      ...{ store, siteId: settings.siteId, now: Date.now, initial: settings.placementPolicy, plugins },
    }),
    initialPolicy: settings.placementPolicy,
    plugins,
    algorithms: new AlgorithmPlugins(settings.algorithmFolder),
    migrationBudget: settings.migrationBudget,
    planner: plannerInThread(settings),
    drift: settings.drift,
    timing: settings.timing,
    canFence: settings.fencing !== undefined,
    imageSources: {
      folder: env.SLUICE_IMAGE_SOURCES,
      privateAddresses: env.SLUICE_IMAGE_PRIVATE_URLS,
    },
    log,
    temporalUi: env.SLUICE_TEMPORAL_UI && `${env.SLUICE_TEMPORAL_UI}/namespaces/${namespace}`,
    started: () => started,
    stopping: stopping.signal,
    faults: FaultPoints.fromEnvironment('api'),
  });
  const server = createServer(app);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(env.SLUICE_API_PORT, env.SLUICE_API_HOST, resolve);
  });
  const { port } = server.address() as AddressInfo;
  onStop(log, async () => {
    stopping.abort();
    const hard = setTimeout(() => server.closeAllConnections(), DRAIN_MILLIS);
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    await closed;
    clearTimeout(hard);
    await client.connection.close();
    await store.contents.close();
    await connection.close();
  });
  log.info({ port }, 'API listens');

  // It listens before the database is there, so that clients get a 503 that says why rather than silence.
  await untilStored(log, async () => {
    await ensureIndexes(connection.db);
    if (env.SLUICE_OPERATOR_TOKEN)
      await store.identities.grant(env.SLUICE_OPERATOR_TOKEN, {
        role: 'operator',
        name: 'bootstrap',
        createdAt: Date.now(),
      });
    if (env.SLUICE_JOIN_TOKEN)
      await store.identities.putJoinToken(env.SLUICE_JOIN_TOKEN, Date.now() + BOOTSTRAP_JOIN_MILLIS);
  });
  started = true;
  reportReady({ port });
}

async function untilStored(log: Logger, work: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isStoreAway(error)) throw error;
      log.warn({ err: error }, 'the database is away; trying again');
      await delay(500);
    }
  }
}

const log = createLogger('api');
runMain(log, () => main(log));
