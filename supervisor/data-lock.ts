import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeJson } from '../drivers/lib/atomic-file';
import type { ProcessIdentity } from '../drivers/lib/process-identity';
import { LockHeld, lockHolder, takeLock } from '../drivers/lib/process-lock';

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

export const holderOf = (dataDir: string): Promise<Holder | undefined> =>
  lockHolder<Holder>(lockPath(dataDir));

/** One supervisor a data directory. A lock whose process is gone is taken over. @throws DataDirHeld */
export async function lockDataDir(dataDir: string): Promise<DataLock> {
  // Tokens and the disks of VEEs live below: nobody else's business.
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  try {
    return new DataLock(dataDir, await takeLock(lockPath(dataDir)));
  } catch (error) {
    if (error instanceof LockHeld) throw new DataDirHeld(dataDir, error.holder);
    throw error;
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
