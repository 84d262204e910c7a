import { type Logger, pino } from 'pino';

export type { Logger };

/** One JSON line an entry, on standard output; the supervisor or the platform keeps it. */
export function createLogger(role: string): Logger {
  // With the supervisor goes the reader of both. pino's own destination then retries the write for ever, in a
  // loop that no timer interrupts: an orphan was found that had hung so for half an hour.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  return pino(
    {
      base: { role, pid: process.pid },
      level: process.env.SLUICE_LOG_LEVEL ?? 'info',
      redact: ['req.headers.authorization', '*.token', '*.password'],
    },
    process.stdout,
  );
}
