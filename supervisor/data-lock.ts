import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeJson } from '../drivers/lib/atomic-file';
import { isAlive, type ProcessIdentity, startTimeOf } from '../drivers/lib/process-identity';

export interface Holder extends ProcessIdentity {
  readonly apiUrl?: string;
}

export class DataDirHeld extends Error {
  readonly holder: Holder;
  constructor(dataDir: string, holder: Holder) {
    super(
      `${dataDir} is held by process ${holder.pid}${holder.apiUrl ? ` (${holder.apiUrl})` : ''}. Stop it with: sluice down`,
    );
    this.holder = holder;
  }
}

const lockPath = (dataDir: string) => join(dataDir, 'supervisor.json');

export async function holderOf(dataDir: string): Promise<Holder | undefined> {
  const text = await readFile(lockPath(dataDir), 'utf8').catch(() => undefined);
  if (!text) return undefined;
  try {
    const holder = JSON.parse(text) as Holder;
    return (await isAlive(holder)) ? holder : undefined;
  } catch {
    return undefined;
  }
}

/** One supervisor a data directory. A lock whose process is gone is taken over. @throws DataDirHeld */
export async function lockDataDir(dataDir: string): Promise<DataLock> {
  // Tokens and the disks of VEEs live below: nobody else's business.
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const me: Holder = { pid: process.pid, startTime: (await startTimeOf(process.pid)) ?? '' };
  const mine = `${lockPath(dataDir)}.${process.pid}`;
  await writeFile(mine, JSON.stringify(me), { mode: 0o600 });
  try {
    for (;;) {
      try {
        // A link appears whole or not at all: nobody can find a lock that says not yet whose it is.
        await link(mine, lockPath(dataDir));
        return new DataLock(dataDir, me);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        const holder = await holderOf(dataDir);
        if (holder) throw new DataDirHeld(dataDir, holder);
        await rm(lockPath(dataDir), { force: true });
      }
    }
  } finally {
    await rm(mine, { force: true });
  }
}

export class DataLock {
  private readonly dataDir: string;
  private readonly me: Holder;

  constructor(dataDir: string, me: Holder) {
    this.dataDir = dataDir;
    this.me = me;
  }

  /** Tells those who find the lock held where the system answers. */
  announce(apiUrl: string): Promise<void> {
    return writeJson(lockPath(this.dataDir), { ...this.me, apiUrl });
  }

  async release(): Promise<void> {
    await rm(lockPath(this.dataDir), { force: true });
  }
}
