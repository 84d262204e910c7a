import { execFile } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { durationText } from '../domain/duration';
import { SluiceError } from '../domain/errors';
import type { HostRecord } from '../domain/host';

const run = promisify(execFile);

const ATTEMPTS = 3;
const PAUSE_MILLIS = 1_000;

/** Cuts a host off for certain: powers it off, or takes its network away. */
export interface FencingPlugin {
  /** @throws SluiceError `fencing-failed` */
  fence(host: HostRecord): Promise<void>;
}

/**
 * A command of the operator's, such as a wrapper of `ipmitool`: it gets the host's id as its argument and its labels
 * in `SLUICE_HOST_LABELS` (JSON). Exit code 0 means that the host is off. It may be run again for a host that is.
 */
export function commandFencing(command: string, timeoutMillis: number): FencingPlugin {
  return {
    async fence({ id, zone, labels }) {
      const env = {
        ...process.env,
        SLUICE_HOST: id,
        SLUICE_HOST_ZONE: zone,
        SLUICE_HOST_LABELS: JSON.stringify(labels),
      };
      for (let attempt = 1; ; attempt++)
        try {
          await run(command, [id], { timeout: timeoutMillis, killSignal: 'SIGKILL', env });
          return;
        } catch (cause) {
          // A power switch may be busy; the operator is asked when it stays so.
          if (attempt < ATTEMPTS) {
            await delay(PAUSE_MILLIS);
            continue;
          }
          const { killed, code, stderr } = cause as {
            killed?: boolean;
            code?: number | string;
            stderr?: string;
          };
          const why = killed ? `it took longer than ${durationText(timeoutMillis)}` : `it ended with ${code}`;
          const said = stderr ? `: ${stderr.trim().slice(-300)}` : '';
          throw new SluiceError(
            'fencing-failed',
            `The fencing command did not cut ${id} off: ${why}${said}.`,
            {
              cause,
            },
          );
        }
    },
  };
}
