import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isAlive, type ProcessIdentity, startTimeOf } from './process-identity';

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
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (!text) return undefined;
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
  const mine = `${path}.${process.pid}`;
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

/** Another may have removed it, and taken the lock, since it was read: what is put aside is looked at again. */
async function removeStale(path: string): Promise<void> {
  const aside = `${path}.${process.pid}.stale`;
  try {
    await rename(path, aside);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (await lockHolder(aside)) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}
