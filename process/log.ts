import { type Logger, pino } from 'pino';

export type { Logger };

/** One JSON line an entry, on standard output; the supervisor or the platform keeps it. */
export function createLogger(role: string): Logger {
  return pino({
    base: { role, pid: process.pid },
    level: process.env.SLUICE_LOG_LEVEL ?? 'info',
    redact: ['req.headers.authorization', '*.token', '*.password'],
  });
}
