import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

let serial = 0;

/** Writes a JSON file so that a reader, or a crash, sees the old contents or the new, never a part. */
export async function writeJson(path: string, value: unknown, mode = 0o600): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = temporaryFor(path);
  const file = await open(temporary, 'w', mode);
  try {
    await file.writeFile(textOf(value));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** The same for what need not outlive the machine, only the process: a twentieth of the effort. */
export function writeJsonUnsynced(path: string, value: unknown, mode = 0o600): void {
  const temporary = temporaryFor(path);
  // An exception would cost more than the question.
  const folder = dirname(path);
  if (!existsSync(folder)) mkdirSync(folder, { recursive: true });
  writeFileSync(temporary, textOf(value), { mode });
  renameSync(temporary, path);
}

/** In place: a record is a few hundred bytes in memory, and to have another thread read it takes ten times as long. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  // Most often it is not there, and an exception costs more than the question.
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/**
 * Tells one state of a file from another: each write of ours makes another inode, and any other write changes its
 * times.
 * @returns undefined when it is not there
 */
export function stampOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`;
}

const temporaryFor = (path: string) => `${path}.${process.pid}.${serial++}.tmp`;
const textOf = (value: unknown) => `${JSON.stringify(value)}\n`;
