import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { LockHeld, takeLock } from '../drivers/lib/process-lock';
import { UnusableEnvironment } from '../process/settings';

const FILE = 'agent.lock';

/**
 * A host belongs to one agent: two would each believe that what its folder says is their own doing. An agent that was
 * killed holds nothing.
 * @throws UnusableEnvironment where another agent has the host
 */
export async function lockHost(hostId: string, dataDir: string): Promise<void> {
  try {
    await takeLock(join(dataDir, FILE));
  } catch (error) {
    if (!(error instanceof LockHeld)) throw error;
    throw new UnusableEnvironment(
      `${hostId} is served by another agent, process ${error.holder.pid}, from ${dataDir}: stop that one first, or give this one a SLUICE_AGENT_DIR of its own.`,
    );
  }
}

export const unlockHost = (dataDir: string): Promise<void> => rm(join(dataDir, FILE), { force: true });
