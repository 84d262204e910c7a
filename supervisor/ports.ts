import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

export class PortTaken extends Error {}

function listenOnce(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => {
      const address = server.address();
      const bound = address !== null && typeof address === 'object' ? address.port : undefined;
      server.close(() => resolve(bound));
    });
  });
}

/**
 * Below those that kernels give to outgoing connections (from 32768 on Linux): one of these could be taken by any
 * connection before a server listens there, or while it is restarted after a kill.
 */
const QUIET = { from: 15_000, to: 30_000 };
const MOST_TRIES = 50;

async function quietPort(): Promise<number | undefined> {
  for (let i = 0; i < MOST_TRIES; i++) {
    const port = await listenOnce(randomInt(QUIET.from, QUIET.to));
    if (port !== undefined) return port;
  }
  return listenOnce(0);
}

/**
 * A port to listen on: the fixed one or an error, else the usual one, else any that is free.
 * @throws PortTaken
 */
export async function choosePort(what: string, fixed: number | undefined, usual: number): Promise<number> {
  if (fixed !== undefined && fixed !== 0) {
    if ((await listenOnce(fixed)) === undefined) throw new PortTaken(`Port ${fixed} for ${what} is in use.`);
    return fixed;
  }
  const port = (fixed === 0 ? undefined : await listenOnce(usual)) ?? (await quietPort());
  if (port === undefined) throw new PortTaken(`No free port was found for ${what}.`);
  return port;
}
