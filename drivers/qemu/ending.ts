import { setTimeout as delay } from 'node:timers/promises';
import { isAlive, type ProcessIdentity } from '../lib/process-identity';

const POLL_MILLIS = 25;

export function kill({ pid }: ProcessIdentity): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** @returns false when it is still there after that time */
export async function gone(process: ProcessIdentity, millis: number): Promise<boolean> {
  for (const until = Date.now() + millis; ; await delay(POLL_MILLIS)) {
    if (!(await isAlive(process))) return true;
    if (Date.now() >= until) return false;
  }
}
