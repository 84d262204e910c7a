import { setTimeout as delay } from 'node:timers/promises';
import { type Db, MongoClient, MongoError, MongoNetworkError, MongoServerSelectionError } from 'mongodb';
import { SluiceError } from '../domain/errors';

export interface StoreConnection {
  readonly client: MongoClient;
  readonly db: Db;
  close(): Promise<void>;
}

/** A server that does not answer for so long hangs; the driver then tries once more on another connection. */
const SOCKET_MILLIS = 3_000;
const RECONNECT_MILLIS = 200;

/**
 * One client per process. `majority` on a replica set waits for the journal, so an acknowledged write
 * survives a killed server. Selection fails after 2 s: callers answer 503 or retry, rather than hang.
 * @param tell is told why there is no connection yet: wrong credentials look like an absence to whoever asks for data
 */
export async function connectStore(
  uri: string,
  database: string,
  tell: (why: string) => void = () => undefined,
): Promise<StoreConnection> {
  const client = new MongoClient(uri, {
    serverSelectionTimeoutMS: 2_000,
    connectTimeoutMS: 2_000,
    socketTimeoutMS: SOCKET_MILLIS,
    waitQueueTimeoutMS: SOCKET_MILLIS,
    heartbeatFrequencyMS: 2_000,
    writeConcern: { w: 'majority' },
    readConcern: { level: 'majority' },
    ignoreUndefined: true,
  });
  let closing = false;
  // Not awaited: a process may start while the database is away, and works when it is back. But the driver gives up
  // for good when its first connection fails ("Topology is closed" from then on), so that is tried until it succeeds.
  const connecting = (async () => {
    for (let told = ''; !closing; await delay(RECONNECT_MILLIS)) {
      try {
        await client.connect();
        return;
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error);
        if (why !== told) tell(why);
        told = why;
      }
    }
  })();
  const close = async () => {
    closing = true;
    await connecting;
    await client.close();
  };
  return { client, db: client.db(database), close };
}

const AWAY_CODES = new Set([6, 7, 89, 91, 134, 262, 189, 10107, 11600, 11602, 13435, 13436]);

/** Is this an engine that is away, as opposed to a bug or a broken rule? */
export function isStoreAway(error: unknown): boolean {
  return (
    error instanceof MongoServerSelectionError ||
    error instanceof MongoNetworkError ||
    (error instanceof MongoError && error.name === 'MongoWaitQueueTimeoutError') ||
    (error instanceof MongoError && typeof error.code === 'number' && AWAY_CODES.has(error.code)) ||
    (error instanceof MongoError && /Topology is closed|client was closed/i.test(error.message))
  );
}

export function asStoreError(error: unknown): unknown {
  return isStoreAway(error)
    ? new SluiceError('unavailable', 'The database is not reachable.', { cause: error })
    : error;
}

/** MongoDB's code for a broken unique index. */
export const isDuplicateKey = (error: unknown) => error instanceof MongoError && error.code === 11_000;
