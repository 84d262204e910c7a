import { createServer, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../domain/errors';

const POLL_MILLIS = 5;
const WAIT_MILLIS = 20_000;

/**
 * One change at a time to the devices of a network namespace, whichever agent makes it: who takes the last VEE off a bridge
 * must not do so while another puts one on it. The kernel gives an abstract socket to one process, and frees it with that.
 * @throws SluiceError `driver-failed` after 20 s of waiting
 */
export async function exclusivelyIn<T>(namespace: string, change: () => Promise<T>): Promise<T> {
  const path = `\0sluice-network-${namespace}`;
  for (const until = Date.now() + WAIT_MILLIS; ; await delay(POLL_MILLIS)) {
    const held = await taken(path);
    if (held) {
      try {
        return await change();
      } finally {
        await new Promise((resolve) => held.close(resolve));
      }
    }
    if (Date.now() >= until)
      throw new SluiceError(
        'driver-failed',
        'Another agent has been changing this host’s networks for long.',
      );
  }
}

function taken(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen({ path }, () => resolve(server));
  });
}
