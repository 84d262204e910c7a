import { once } from 'node:events';
import type { Server } from 'node:net';
import { SluiceError } from '../../domain/errors';

/** Opens a port of the machine's choice for a transfer. @returns `address:port` @throws SluiceError `driver-failed` */
export async function listenOn(server: Server, address: string): Promise<string> {
  server.listen(0, address);
  // Rejects with what keeps it from being opened.
  await once(server, 'listening');
  // One that can't be accepted later is its sender's to notice.
  server.on('error', () => undefined);
  const bound = server.address();
  if (bound === null || typeof bound === 'string')
    throw new SluiceError('driver-failed', 'No transfer port could be opened.');
  return `${address}:${bound.port}`;
}
