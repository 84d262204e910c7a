import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { Server } from 'node:net';
import { basename, dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { bindAbstract, closed } from './abstract-socket';
import { isAlive, type ProcessIdentity, startTimeOf } from './process-identity';

const POLL_MILLIS = 5;
/** Removing a file takes no time: whoever is that slow is stopped. */
const WAIT_MILLIS = 20_000;

/** Thrown where a living process has the lock. */
export class LockHeld extends Error {
  readonly holder: ProcessIdentity;
  constructor(path: string, holder: ProcessIdentity) {
    super(`${path} is held by process ${holder.pid}`);
    this.holder = holder;
  }
}

/** Who has the lock, if that process is there still: with what else it has written into it. */
export async function lockHolder<H extends ProcessIdentity>(path: string): Promise<H | undefined> {
  const text = await textOf(path).catch(() => undefined);
  return text === undefined ? undefined : livingHolder<H>(text);
}

const textOf = (path: string): Promise<string | undefined> =>
  readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });

async function livingHolder<H extends ProcessIdentity>(text: string): Promise<H | undefined> {
  try {
    const holder = JSON.parse(text) as H;
    return (await isAlive(holder)) ? holder : undefined;
  } catch {
    return undefined;
  }
}

/**
 * A file that one process at a time has, by its pid and start time: one that was killed holds nothing any more, and
 * nobody who was given its pid does.
 * @returns this process, as it stands in the lock; the file is removed by who took it
 * @throws LockHeld
 */
export async function takeLock(path: string): Promise<ProcessIdentity> {
  await mkdir(dirname(path), { recursive: true });
  const me: ProcessIdentity = { pid: process.pid, startTime: (await startTimeOf(process.pid)) ?? '' };
  const mine = `${path}.${randomUUID()}`;
  await writeFile(mine, JSON.stringify(me), { mode: 0o600 });
  try {
    for (;;) {
      try {
        // A link appears whole or not at all: nobody can find a lock that says not yet whose it is.
        await link(mine, path);
        return me;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
        const holder = await lockHolder(path);
        if (holder) throw new LockHeld(path, holder);
        await removeStale(path);
      }
    }
  } finally {
    await rm(mine, { force: true });
  }
}

/**
 * Of all that find a lock stale, one at a time looks again and removes it: or the second would remove, and be given, what the
 * first has taken meanwhile. Where there are no abstract sockets (other systems than Linux) they may meet.
 */
async function removeStale(path: string): Promise<void> {
  const guard = await guardOf(path);
  try {
    // Removed already, it may be taken at any moment. One whose holder is gone can't be before it is removed, and that only here.
    const text = await textOf(path);
    if (text !== undefined && !(await livingHolder(text))) await rm(path, { force: true });
  } finally {
    if (guard) await closed(guard);
  }
}

async function guardOf(path: string): Promise<Server | undefined> {
  if (process.platform !== 'linux') return undefined;
  // By its folder as the file system knows it: two may reach it by different paths.
  const { dev, ino } = await stat(dirname(path), { bigint: true });
  const name = createHash('sha256')
    .update(`${dev} ${ino} ${basename(path)}`)
    .digest('hex');
  for (const until = Date.now() + WAIT_MILLIS; ; await delay(POLL_MILLIS)) {
    const guard = await bindAbstract(`sluice-lock-${name}`);
    if (guard) return guard;
    if (Date.now() >= until) throw new Error(`Another process has been taking ${path} for long.`);
  }
}
