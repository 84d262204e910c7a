import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { DefaultLogger, makeTelemetryFilterString, Runtime, Worker } from '@temporalio/worker';
import { lazyTemporalClient } from '../temporal/connection';

export interface Replayed {
  readonly workflowId: string;
  /** Why the workflows of the bundle can't take it over. */
  readonly error?: Error;
}

/**
 * Replays the history of every workflow that is open with workflows that are to be rolled out.
 * @param siteId of one site only, its own watch left out
 */
export async function* replayOpen(
  client: Client,
  codePath: string,
  siteId?: string,
): AsyncIterable<Replayed> {
  const ofSite = siteId === undefined ? '' : ` AND SluiceSite = '${siteId}'`;
  const open = client.workflow.list({ query: `ExecutionStatus = 'Running'${ofSite}` });
  const options = {
    workflowBundle: { codePath },
    // Local activities must be known to a worker, though on replay their recorded results are taken.
    activities: { reportOperation: async () => undefined },
  };
  for await (const { workflowId, error } of Worker.runReplayHistories(options, open.intoHistories()))
    yield error ? { workflowId, error } : { workflowId };
}

/** To be run before a new version is rolled out: nothing is changed, and what would not replay is named. */
async function main(): Promise<void> {
  const filter = makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' });
  const logger = new DefaultLogger('ERROR', () => undefined);
  Runtime.install({ logger, telemetryOptions: { logging: { filter } }, shutdownSignals: [] });
  const codePath = process.argv[2] ?? join(__dirname, '..', 'workflow-bundle.js');
  const { client } = lazyTemporalClient();
  let [replayed, failed] = [0, 0];
  for await (const { workflowId, error } of replayOpen(client, codePath)) {
    replayed++;
    if (!error) continue;
    failed++;
    console.error(`${workflowId}: ${error.message}`);
  }
  console.log(`${replayed} open workflows replayed, ${failed} can't be taken over by ${codePath}`);
  await client.connection.close();
  if (failed > 0) process.exitCode = 1;
}

if (require.main === module)
  main().catch((error) => {
    console.error(error);
    process.exitCode = 1;
  });
