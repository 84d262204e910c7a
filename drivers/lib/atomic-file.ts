import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

let serial = 0;

/** Writes a JSON file so that a reader, or a crash, sees the old contents or the new, never a part. */
export async function writeJson(path: string, value: unknown, mode = 0o600): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.${serial++}.tmp`;
  const file = await open(temporary, 'w', mode);
  try {
    await file.writeFile(`${JSON.stringify(value)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

export async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
