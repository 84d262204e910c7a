import { NativeConnection } from '@temporalio/worker';
import { SluiceError } from '../domain/errors';
import { temporalEnvironment } from './connection';

const PATIENCE_MILLIS = 60_000;

/** A worker's connection. It fails at once when the server is away, so it is tried again for a minute. */
export async function workerConnection(): Promise<{ connection: NativeConnection; namespace: string }> {
  const { connectionOptions, namespace } = temporalEnvironment();
  const until = Date.now() + PATIENCE_MILLIS;
  for (;;) {
    try {
      return { connection: await NativeConnection.connect(connectionOptions), namespace };
    } catch (cause) {
      if (Date.now() >= until) throw new SluiceError('unavailable', 'Temporal is not reachable.', { cause });
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
