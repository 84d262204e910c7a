import { copyFile, open, stat, truncate } from 'node:fs/promises';

const MOST_LOG_BYTES = 10 * 1_048_576;
const MOST_TAIL_BYTES = 65_536;

/** The last lines of a console, and no more of it than an answer may carry. None where there is no such file. */
export async function tailOf(path: string, lines: number): Promise<string[]> {
  const file = await open(path, 'r').catch(() => undefined);
  if (!file) return [];
  try {
    const { size } = await file.stat();
    const start = Math.max(0, size - MOST_TAIL_BYTES);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_TAIL_BYTES), 0, MOST_TAIL_BYTES, start);
    const text = buffer.subarray(0, bytesRead).toString();
    const all = text.split(/\r?\n/).slice(start > 0 ? 1 : 0);
    return (all.at(-1) === '' ? all.slice(0, -1) : all).slice(-lines);
  } finally {
    await file.close();
  }
}

/** For a console that is held open for appending: a full one is copied and emptied in place. */
export async function rotate(path: string): Promise<void> {
  const size = await stat(path).then(
    (s) => s.size,
    () => 0,
  );
  if (size < MOST_LOG_BYTES) return;
  // A disk that is full must not make the host fall silent; emptying the log is what helps then.
  await copyFile(path, `${path}.1`).catch(() => undefined);
  await truncate(path).catch(() => undefined);
}
