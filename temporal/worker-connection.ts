import { NativeConnection } from '@temporalio/worker';
import { SluiceError } from '../domain/errors';
import { temporalEnvironment } from './connection';

const PATIENCE_MILLIS = 60_000;
const TOLD_EVERY_MILLIS = 10_000;
/** Where it is looked for when nobody has said where it is. */
const USUAL_ADDRESS = '127.0.0.1:7233';

/**
 * A worker's connection. It fails at once when the server is away, so it is tried again for a minute.
 * @param onAway told at once and then time and again: whoever has forgotten to say where Temporal is finds that in the log
 */
export async function workerConnection(
  onAway: (address: string) => void,
): Promise<{ connection: NativeConnection; namespace: string }> {
  const { connectionOptions, namespace } = temporalEnvironment();
  const until = Date.now() + PATIENCE_MILLIS;
  let toldAt = -Infinity;
  for (;;) {
    try {
      return { connection: await NativeConnection.connect(connectionOptions), namespace };
    } catch (cause) {
      const now = Date.now();
      const address = connectionOptions.address ?? USUAL_ADDRESS;
      if (now >= until)
        throw new SluiceError('unavailable', `Temporal is not reachable at ${address}.`, { cause });
      if (now - toldAt >= TOLD_EVERY_MILLIS) {
        toldAt = now;
        onAway(address);
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
