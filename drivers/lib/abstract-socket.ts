import { createServer, type Server } from 'node:net';

/**
 * A name that one process has at a time: the kernel gives an abstract socket to one, and frees it with that one, however it
 * ends. Whoever closes it gives it back. Linux only, and within a network namespace.
 * @returns nothing where another has it
 */
export function bindAbstract(name: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen({ path: `\0${name}` }, () => resolve(server));
  });
}

export const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => server.close(() => resolve()));
