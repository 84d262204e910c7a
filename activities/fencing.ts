import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { SluiceError } from '../domain/errors';
import type { HostRecord } from '../domain/host';

const run = promisify(execFile);

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
      try {
        await run(command, [id], { timeout: timeoutMillis, killSignal: 'SIGKILL', env });
      } catch (cause) {
        const { killed, code, stderr } = cause as {
          killed?: boolean;
          code?: number | string;
          stderr?: string;
        };
        const why = killed ? `it took longer than ${timeoutMillis} ms` : `it ended with ${code}`;
        const said = stderr ? `: ${stderr.trim().slice(-300)}` : '';
        throw new SluiceError('fencing-failed', `The fencing command did not cut ${id} off: ${why}${said}.`, {
          cause,
        });
      }
    },
  };
}
