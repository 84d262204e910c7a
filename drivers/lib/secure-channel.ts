import {
  createServer as createPlainServer,
  connect as plainConnect,
  type Server,
  type Socket,
} from 'node:net';
import { createServer as createSecureServer, connect as secureConnect } from 'node:tls';
import { SluiceError } from '../../domain/errors';
import type { HostId } from '../../domain/ids';
import { hostName } from '../../domain/security/authorities';
import type { TransferOffer } from '../contract';
import type { HostIdentity } from './host-identity';
import { listenOn } from './listen';

const CONNECT_MILLIS = 5_000;
const HANDSHAKE_MILLIS = 10_000;
/** What a TLS connection begins with; ours that are not begin with a token, in letters or in JSON. */
const TLS_HANDSHAKE = 0x16;
/** Those of the stream itself, of what carries it on in both directions, and of whoever keeps it. */
const MOST_LISTENERS = 20;
/** Before it one side can't end while the other goes on, as a copy of a disk does. */
const MODERN = { minVersion: 'TLSv1.3' } as const;

export const NO_CERTIFICATE =
  'one of the two agents has no certificate of its site: it is of an earlier release, or its API is. Upgrade it, or permit what is readable by SLUICE_TRANSFER_PLAIN';

export interface Meeting {
  readonly identity: HostIdentity | undefined;
  /** The host that the migration comes from; undefined when nobody said so, then any of the site. */
  readonly from: HostId | undefined;
}

export interface Listener {
  readonly server: Server;
  /** What the other side is told of it, beside the token. */
  readonly offer: Omit<TransferOffer, 'token'>;
}

/**
 * Listens for one migration. Who connects has to prove by certificate to be its source, unless this driver runs without
 * an identity, or the operator permits it.
 * @param refuse told of a connection that proves nothing, which it ends in words that the other side understands
 * @throws SluiceError `driver-failed` when it has no certificate yet, or no port can be opened
 */
export async function listenForTransfer(
  address: string,
  { identity, from }: Meeting,
  serve: (socket: Socket) => void,
  refuse: (socket: Socket) => void,
): Promise<Listener> {
  const own = identity?.credentials();
  if (identity && !own && !identity.plainPermitted)
    throw new SluiceError('driver-failed', `Nothing can be received safely: ${NO_CERTIFICATE}.`);
  const server = createPlainServer({ allowHalfOpen: true, noDelay: true });
  if (!identity || !own) {
    server.on('connection', serve);
    return { server, offer: { address: await listenOn(server, address) } };
  }
  const secure = createSecureServer({
    ...MODERN,
    ...{ key: own.key, cert: own.certificate, ca: [...own.authorities] },
    ...{ requestCert: true, rejectUnauthorized: true, allowHalfOpen: true },
    handshakeTimeout: HANDSHAKE_MILLIS,
  });
  secure.on('secureConnection', (socket) => {
    const name = socket.getPeerX509Certificate()?.subjectAltName ?? '';
    socket.setMaxListeners(MOST_LISTENERS);
    if (isHost(name, identity, from)) serve(socket);
    else socket.destroy();
  });
  secure.on('tlsClientError', (_, socket) => socket.destroy());
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    socket.setTimeout(HANDSHAKE_MILLIS, () => socket.destroy());
    socket.once('readable', () => {
      const first: Buffer | null = socket.read();
      if (first === null) {
        socket.destroy();
        return;
      }
      socket.unshift(first);
      socket.setTimeout(0);
      if (first[0] === TLS_HANDSHAKE) secure.emit('connection', socket);
      else if (identity.plainPermitted) serve(socket);
      else refuse(socket);
    });
  });
  const { hostId } = identity;
  return { server, offer: { address: await listenOn(server, address), secured: { hostId } } };
}

/**
 * Connects to where a migration is awaited, and makes sure that it is the host that it is said to be.
 * @param to as the migration says; undefined when it does not, then the host that the offer names
 * @throws SluiceError `driver-failed` when it can't be reached, or is another; `driver-refused` when it can't prove who it is
 */
export async function dialTransfer(
  { address, secured }: TransferOffer,
  identity: HostIdentity | undefined,
  to: HostId | undefined,
): Promise<Socket> {
  const own = identity?.credentials();
  if (secured ? !identity || !own : identity && !identity.plainPermitted)
    throw new SluiceError('driver-refused', `Nothing can be sent safely: ${NO_CERTIFICATE}.`);
  const at = address.lastIndexOf(':');
  const where = { host: address.slice(0, at), port: Number(address.slice(at + 1)), allowHalfOpen: true };
  const socket =
    secured && identity && own
      ? secureConnect({
          ...where,
          ...MODERN,
          ...{ key: own.key, cert: own.certificate, ca: [...own.authorities] },
          checkServerIdentity: (_, peer) =>
            isHost(peer.subjectaltname ?? '', identity, to ?? secured.hostId)
              ? undefined
              : new Error('It is another host.'),
        })
      : plainConnect(where);
  socket.setNoDelay(true);
  socket.setMaxListeners(MOST_LISTENERS);
  socket.on('error', () => undefined);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once(secured ? 'secureConnect' : 'connect', resolve);
      socket.once('error', reject);
      socket.setTimeout(CONNECT_MILLIS, () => reject(new Error('no answer')));
    });
  } catch (cause) {
    socket.destroy();
    const why = secured ? ', or is not who it should be' : '';
    throw new SluiceError('driver-failed', `The target host can’t be reached${why}.`, { cause });
  }
  socket.setTimeout(0);
  return socket;
}

/** A certificate of ours has one name. */
function isHost(names: string, { siteId }: HostIdentity, hostId: HostId | undefined): boolean {
  if (hostId !== undefined) return names === `URI:${hostName(siteId, hostId)}`;
  return names.startsWith(`URI:${hostName(siteId, '' as HostId)}`) && !names.includes(',');
}
