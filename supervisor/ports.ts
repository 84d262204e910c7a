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
 * A port to listen on: the fixed one or an error, else the usual one, else any that is free.
 * @throws PortTaken
 */
export async function choosePort(what: string, fixed: number | undefined, usual: number): Promise<number> {
  if (fixed !== undefined && fixed !== 0) {
    if ((await listenOnce(fixed)) === undefined) throw new PortTaken(`Port ${fixed} for ${what} is in use.`);
    return fixed;
  }
  const port = (fixed === 0 ? undefined : await listenOnce(usual)) ?? (await listenOnce(0));
  if (port === undefined) throw new PortTaken(`No free port was found for ${what}.`);
  return port;
}
