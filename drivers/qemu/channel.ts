import type { Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../domain/errors';
import type { HostId } from '../../domain/ids';
import type { TransferOffer } from '../contract';
import type { HostIdentity } from '../lib/host-identity';
import { dialTransfer } from '../lib/secure-channel';
import { onJsonLines, writeJsonLine } from './json-lines';
import type { Layout } from './layout';

/**
 * What travels between two agents for one migration, each on a connection of its own: what they say to each other, and
 * what their QEMUs do, the memory's stream and the disk's blocks. QEMU itself opens no port: whoever connects has to
 * know the migration's token.
 */
export type ChannelKind = 'control' | 'memory' | 'disk';

export interface Opening {
  readonly token: string;
  readonly kind: ChannelKind;
}

/** The source begins: this is how the machine is made, and, once before, all of it may have been sent already. */
export interface Hello {
  readonly layout: Layout;
  readonly sentBefore: boolean;
}

/** `sent`: from the source, all of it is on its way, and this is the end of its console so far. `ready`, `received`, `refused`: from the target. */
export type Said =
  | { readonly sent: true; readonly console: string }
  | { readonly ready: true }
  | { readonly received: true }
  | { readonly refused: string };

const CONNECT_MILLIS = 5_000;
const MOST_OPENING_BYTES = 1_024;

/** Where the other end of a migration is, and who is to be there. */
export interface Peer {
  readonly offer: TransferOffer;
  readonly identity: HostIdentity | undefined;
  readonly to: HostId | undefined;
}

/** @throws SluiceError `driver-failed` when the target can't be reached, `driver-refused` when it can't prove who it is */
export async function dial({ offer, identity, to }: Peer, kind: ChannelKind): Promise<Socket> {
  const socket = await dialTransfer(offer, identity, to);
  writeJsonLine(socket, { token: offer.token, kind } satisfies Opening);
  return socket;
}

/** What the other side opens with; undefined for what is no opening. Nothing that comes after it is lost. */
export async function opening(socket: Socket): Promise<Opening | undefined> {
  let seen = Buffer.alloc(0);
  return new Promise((resolve) => {
    const give = (value: Opening | undefined) => {
      socket.off('readable', read);
      resolve(value);
    };
    const read = () => {
      for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
        seen = Buffer.concat([seen, chunk]);
        const end = seen.indexOf('\n');
        if (end < 0 && seen.length < MOST_OPENING_BYTES) continue;
        if (end >= 0 && end + 1 < seen.length) socket.unshift(seen.subarray(end + 1));
        return give(end < 0 ? undefined : parsed(seen.subarray(0, end).toString()));
      }
    };
    socket.on('readable', read);
    socket.once('close', () => give(undefined));
    socket.setTimeout(CONNECT_MILLIS, () => socket.destroy());
  });
}

function parsed(line: string): Opening | undefined {
  try {
    return JSON.parse(line) as Opening;
  } catch {
    return undefined;
  }
}

/** Carries bytes both ways until both sides have ended, or one has failed. */
export async function join(one: Socket, other: Socket): Promise<void> {
  try {
    await Promise.all([pipeline(one, other), pipeline(other, one)]);
  } finally {
    one.destroy();
    other.destroy();
  }
}

/** The agents' conversation: messages one at a time, and its end, which ends the migration. */
export class Conversation {
  /** Aborted when the other side is gone. */
  readonly gone: AbortSignal;
  private readonly socket: Socket;
  private readonly heard: unknown[] = [];
  private notify: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    const controller = new AbortController();
    this.gone = controller.signal;
    socket.setTimeout(0);
    socket.setKeepAlive(true, 5_000);
    onJsonLines(socket, (message) => {
      this.heard.push(message);
      this.notify();
    });
    for (const end of ['end', 'close', 'error'])
      socket.once(end, () => {
        controller.abort();
        this.notify();
      });
  }

  say(message: Hello | Said): void {
    writeJsonLine(this.socket, message);
  }

  /** @throws SluiceError `driver-failed` when the other side leaves, or says nothing for so long, where that is bounded */
  async next<T>(timeoutMillis?: number): Promise<T> {
    const timer = new AbortController();
    const late =
      timeoutMillis === undefined
        ? new Promise<never>(() => undefined)
        : delay(timeoutMillis, 'late', { signal: timer.signal }).catch(() => 'late');
    try {
      while (this.heard.length === 0) {
        const news = new Promise<'news'>((resolve) => {
          this.notify = () => resolve('news');
        });
        if (this.gone.aborted || (await Promise.race([news, late])) === 'late')
          throw new SluiceError('driver-failed', 'The other host has left the migration.');
      }
      return this.heard.shift() as T;
    } finally {
      timer.abort();
    }
  }

  close(): void {
    this.socket.destroy();
  }
}
