import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/** A pid alone is reused; with its start time it names one process for ever. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTime: string;
}

/** @returns undefined when there is no such process */
export async function startTimeOf(pid: number): Promise<string | undefined> {
  if (process.platform === 'linux') {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
    // The name, in parentheses, may hold spaces: fields are counted after its end. Zombies are gone already.
    const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields && fields[0] !== 'Z' ? fields[19] : undefined;
  }
  const ps = await promisify(execFile)('ps', ['-o', 'lstart=', '-p', String(pid)]).catch(() => undefined);
  return ps?.stdout.trim() || undefined;
}

export async function isAlive({ pid, startTime }: ProcessIdentity): Promise<boolean> {
  return (await startTimeOf(pid)) === startTime;
}

const POLL_MILLIS = 50;

/** Ends a process if it is still that one: asked first, killed after the grace time. */
export async function endProcess(identity: ProcessIdentity, graceMillis: number): Promise<void> {
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    if (!(await isAlive(identity))) return;
    try {
      process.kill(identity.pid, signal);
    } catch {
      return;
    }
    for (let waited = 0; waited < graceMillis; waited += POLL_MILLIS) {
      if (!(await isAlive(identity))) return;
      await new Promise((resolve) => setTimeout(resolve, POLL_MILLIS));
    }
  }
}
