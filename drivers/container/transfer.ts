import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';
import { SluiceError } from '../../domain/errors';
import type { HostId } from '../../domain/ids';
import type { TransferOffer } from '../contract';
import type { HostIdentity } from '../lib/host-identity';
import { dialTransfer, listenForTransfer, type Meeting } from '../lib/secure-channel';

const TOKEN_LENGTH = 32;

/**
 * Receives one VEE's disk. Listens on the agent's transfer address under a token that only the migration
 * knows; what arrives replaces the folder only when it arrived whole.
 */
export class DiskReceiver {
  private readonly token = randomBytes(TOKEN_LENGTH / 2).toString('hex');
  private readonly folder: string;
  private server: Server | undefined;

  constructor(folder: string) {
    this.folder = folder;
  }

  async listen(address: string, meeting: Meeting): Promise<TransferOffer> {
    const receive = (socket: Socket) => this.receive(socket);
    // An agent of an earlier release understands no words here.
    const refuse = (socket: Socket) => socket.destroy();
    const { server, offer } = await listenForTransfer(address, meeting, receive, refuse);
    this.server = server;
    return { ...offer, token: this.token };
  }

  close(): void {
    this.server?.close();
  }

  private receive(socket: Socket): void {
    const incoming = `${this.folder}.incoming`;
    socket.once('readable', () => {
      const token: Buffer | null = socket.read(TOKEN_LENGTH);
      if (token?.toString() !== this.token) {
        socket.destroy();
        return;
      }
      this.unpack(socket, incoming).then(
        () => socket.end('ok'),
        () => socket.destroy(),
      );
    });
    socket.on('error', () => socket.destroy());
  }

  private async unpack(socket: Socket, incoming: string): Promise<void> {
    await rm(incoming, { recursive: true, force: true });
    await mkdir(incoming, { recursive: true });
    const tar = spawn('tar', ['-x', '-p', '-C', incoming], { stdio: ['pipe', 'ignore', 'ignore'] });
    // The sender half-closes after the archive, and the answer goes back on the other half.
    socket.pipe(tar.stdin);
    tar.stdin.on('error', () => undefined);
    await exited(tar);
    await rm(this.folder, { recursive: true, force: true });
    await rename(incoming, this.folder);
  }
}

/**
 * Sends a folder to a receiver.
 * @throws SluiceError `driver-failed` unless the other side confirmed it whole, `driver-refused` when it can't prove who it is
 */
export async function sendDisk(
  folder: string,
  offer: TransferOffer,
  identity: HostIdentity | undefined,
  { to, cancelled }: { to: HostId | undefined; cancelled: AbortSignal | undefined },
): Promise<void> {
  const socket = await dialTransfer(offer, identity, to);
  const leave = () => socket.destroy();
  cancelled?.addEventListener('abort', leave, { once: true });
  if (cancelled?.aborted) leave();
  try {
    socket.write(offer.token);
    const tar = spawn('tar', ['-c', '-C', folder, '.'], { stdio: ['ignore', 'pipe', 'ignore'] });
    tar.stdout.pipe(socket);
    let answer = '';
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    await Promise.all([
      exited(tar),
      new Promise<void>((resolve, reject) => {
        socket.once('close', () => resolve());
        socket.once('error', reject);
        socket.once('end', () => socket.destroy());
      }),
    ]);
    if (answer !== 'ok') throw new Error('the target did not confirm the disk');
  } catch (cause) {
    throw new SluiceError('driver-failed', 'The disk could not be sent to the target host.', { cause });
  } finally {
    cancelled?.removeEventListener('abort', leave);
    socket.destroy();
  }
}

function exited(child: ReturnType<typeof spawn>): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`tar exited with ${code}`))));
  });
}
