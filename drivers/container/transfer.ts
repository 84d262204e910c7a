import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import type { Server, Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { SluiceError } from '../../domain/errors';
import type { SendOptions, TransferOffer } from '../contract';
import type { HostIdentity } from '../lib/host-identity';
import { run } from '../lib/program';
import { dialTransfer, listenForTransfer, type Meeting } from '../lib/secure-channel';
import { cancelledSend } from '../lib/sends';
import { Meter } from './meter';

const TOKEN_LENGTH = 32;
const PROGRESS_MILLIS = 500;
/** To walk through a folder of very many files. */
const MEASURE_MILLIS = 600_000;

/**
 * Receives one VEE's disk. Listens on the agent's transfer address under a token that only the migration
 * knows; what arrives replaces the folder only when it arrived whole.
 */
export class DiskReceiver {
  private readonly token = randomBytes(TOKEN_LENGTH / 2).toString('hex');
  private readonly folder: string;
  private readonly sockets = new Set<Socket>();
  private server: Server | undefined;
  /** One at a time, for all unpack into the same folder: a later connection is of a later attempt, and ends the one before it. */
  private unpacking: { readonly socket: Socket; readonly over: Promise<void> } | undefined;
  private closed = false;

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

  /** When it returns nothing writes to the folder any more, nor will. */
  async close(): Promise<void> {
    this.closed = true;
    this.server?.close();
    for (const socket of this.sockets) socket.destroy();
    await this.unpacking?.over;
  }

  private receive(socket: Socket): void {
    this.sockets.add(socket);
    socket.once('close', () => this.sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.once('readable', () => {
      const token: Buffer | null = socket.read(TOKEN_LENGTH);
      if (this.closed || token?.toString() !== this.token) {
        socket.destroy();
        return;
      }
      const before = this.unpacking;
      before?.socket.destroy();
      const over = (before?.over ?? Promise.resolve())
        .then(() => this.unpack(socket))
        .then(
          () => void socket.end('ok'),
          () => void socket.destroy(),
        );
      this.unpacking = { socket, over };
    });
  }

  private async unpack(socket: Socket): Promise<void> {
    const incoming = `${this.folder}.incoming`;
    await rm(incoming, { recursive: true, force: true });
    await mkdir(incoming, { recursive: true });
    const tar = spawn('tar', ['-x', '-p', '-C', incoming], { stdio: ['pipe', 'ignore', 'ignore'] });
    const ended = exited(tar);
    try {
      // The sender half-closes after the archive, and the answer goes back on the other half.
      await Promise.all([pipeline(socket, tar.stdin), ended]);
      if (this.closed || socket.destroyed) throw new Error('it is not awaited any more');
    } catch (error) {
      await end(tar, ended);
      await rm(incoming, { recursive: true, force: true });
      throw error;
    }
    await rm(this.folder, { recursive: true, force: true });
    await rename(incoming, this.folder);
  }
}

/**
 * Sends a folder to a receiver, at no more than the rate it is given. A deadline does not hurry it: what it belongs to is
 * still already.
 * @throws SluiceError `driver-failed` unless the other side confirmed it whole, `driver-refused` when it can't prove who it is
 */
export async function sendDisk(
  folder: string,
  offer: TransferOffer,
  identity: HostIdentity | undefined,
  { to, cancelled, bandwidthKbps, onProgress }: SendOptions,
): Promise<void> {
  const socket = await dialTransfer(offer, identity, to);
  const tar = spawn('tar', ['-c', '-C', folder, '.'], { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = exited(tar);
  const meter = new Meter(bandwidthKbps);
  const over = new AbortController();
  const ends = cancelled ? AbortSignal.any([over.signal, cancelled]) : over.signal;
  try {
    if (onProgress) void tellProgress(folder, meter, onProgress, ends);
    socket.write(offer.token);
    const confirmed = answered(socket);
    await Promise.all([pipeline(tar.stdout, meter, socket, { signal: ends }), ended, confirmed]);
  } catch (cause) {
    if (cancelled?.aborted) throw cancelledSend(cause);
    throw new SluiceError('driver-failed', 'The disk could not be sent to the target host.', { cause });
  } finally {
    over.abort();
    socket.destroy();
    await end(tar, ended);
  }
}

/** @throws Error when the other side leaves without having confirmed it */
function answered(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    socket.on('data', (chunk) => {
      said += chunk;
    });
    const over = () => (said === 'ok' ? resolve() : reject(new Error('the target did not confirm the disk')));
    for (const event of ['end', 'close']) socket.once(event, over);
  });
}

/** Until the signal. How large it is in all is found out meanwhile, and nothing is told before. */
async function tellProgress(
  folder: string,
  meter: Meter,
  tell: NonNullable<SendOptions['onProgress']>,
  over: AbortSignal,
): Promise<void> {
  const began = performance.now();
  const totalBytes = await sizeOf(folder);
  if (totalBytes === undefined || over.aborted) return;
  const look = () => {
    const sentBytes = meter.passedBytes;
    const remainingBytes = Math.max(0, totalBytes - sentBytes);
    const bytesPerSecond = Math.round((sentBytes * 1_000) / Math.max(1, performance.now() - began));
    const left =
      bytesPerSecond > 0 ? { remainingMillis: Math.round((remainingBytes * 1_000) / bytesPerSecond) } : {};
    tell({ phase: 'disk', sentBytes, remainingBytes, bytesPerSecond, ...left, escalation: 'none' });
  };
  look();
  const timer = setInterval(look, PROGRESS_MILLIS);
  over.addEventListener('abort', () => clearInterval(timer), { once: true });
}

/** In bytes, as large as an archive of it about is; undefined when that can't be told. */
async function sizeOf(folder: string): Promise<number | undefined> {
  const counted = await run(['du', '-s', '--apparent-size', '--block-size=1', folder], {
    timeoutMillis: MEASURE_MILLIS,
  }).catch(() => undefined);
  const bytes = Number(counted?.stdout.split('\t')[0]);
  return counted?.exitCode === 0 && Number.isFinite(bytes) ? bytes : undefined;
}

/** One that has nobody to read from, or write to, would wait for ever. */
async function end(tar: ChildProcess, ended: Promise<void>): Promise<void> {
  tar.kill('SIGKILL');
  for (const stream of [tar.stdin, tar.stdout]) stream?.destroy();
  await ended.catch(() => undefined);
}

/** @throws Error unless it did all that it was to do */
function exited(child: ChildProcess): Promise<void> {
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`tar exited with ${code}`))));
  });
  ended.catch(() => undefined);
  return ended;
}
