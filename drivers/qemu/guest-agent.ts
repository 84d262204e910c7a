import { randomInt } from 'node:crypto';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../domain/errors';
import type { ExecResult } from '../contract';
import { onJsonLines, writeJsonLine } from './json-lines';

const FIRST_POLL_MILLIS = 10;
const MOST_POLL_MILLIS = 200;

interface ExecStatus {
  readonly exited: boolean;
  readonly exitcode?: number;
  readonly signal?: number;
  readonly 'out-data'?: string;
}

/**
 * One conversation with the agent inside a guest (QEMU's docs/interop/qemu-ga-ref). It begins with a number that
 * only we know: what an earlier conversation has left on the line comes before that, and is passed over.
 */
export class GuestAgent {
  private readonly ask: (execute: string, args?: object) => Promise<unknown>;
  private readonly post: (execute: string, args?: object) => void;
  readonly close: () => void;

  private constructor(ask: GuestAgent['ask'], post: GuestAgent['post'], close: () => void) {
    this.ask = ask;
    this.post = post;
    this.close = close;
  }

  /** @throws SluiceError `driver-failed` when it does not answer */
  static async open(path: string, timeoutMillis: number): Promise<GuestAgent> {
    const socket = connect(path);
    const waiting: { resolve(message: Record<string, unknown>): void; reject(error: Error): void }[] = [];
    let synced: ((id: unknown) => void) | undefined;
    const fail = () => {
      for (const { reject } of waiting.splice(0)) reject(silent());
    };
    socket.setTimeout(timeoutMillis, () => socket.destroy());
    socket.on('error', fail);
    socket.on('close', fail);
    onJsonLines(socket, (message) => {
      if (synced) synced(message.return);
      else waiting.shift()?.resolve(message);
    });
    const next = () =>
      new Promise<Record<string, unknown>>((resolve, reject) => {
        if (socket.destroyed) reject(silent());
        else waiting.push({ resolve, reject });
      });
    const post = (execute: string, args?: object) => {
      writeJsonLine(socket, { execute, ...(args ? { arguments: args } : {}) });
    };
    const ask = async (execute: string, args?: object) => {
      const answer = next();
      post(execute, args);
      const message = await answer;
      if (!message.error) return message.return;
      const { desc } = message.error as { desc?: string };
      throw new SluiceError('driver-refused', `The guest refused ${execute}: ${desc ?? ''}`);
    };
    const id = randomInt(1, 2 ** 31);
    try {
      await new Promise<void>((resolve, reject) => {
        waiting.push({ resolve: () => undefined, reject });
        synced = (seen) => {
          if (seen !== id) return;
          synced = undefined;
          waiting.shift();
          resolve();
        };
        post('guest-sync', { id });
      });
    } catch (error) {
      socket.destroy();
      throw error;
    }
    return new GuestAgent(ask, post, () => socket.destroy());
  }

  /** Asks the guest to switch itself off, which it answers by doing so. */
  shutdown(): void {
    this.post('guest-shutdown', { mode: 'powerdown' });
  }

  /** So many vCPUs are there, or will be in a moment; but Linux without udev does not use new ones by itself. */
  async useVcpus(many: number, timeoutMillis: number): Promise<void> {
    for (const until = Date.now() + timeoutMillis; Date.now() < until; await delay(MOST_POLL_MILLIS)) {
      const vcpus = (await this.ask('guest-get-vcpus')) as { 'logical-id': number; online: boolean }[];
      const offline = vcpus.filter((v) => !v.online);
      if (offline.length > 0)
        await this.ask('guest-set-vcpus', {
          vcpus: offline.map((v) => ({ 'logical-id': v['logical-id'], online: true })),
        });
      else if (vcpus.length >= many) return;
    }
  }

  /** @throws SluiceError `driver-failed` when it takes longer than that; it is not ended then */
  async exec(
    [path = '', ...arg]: readonly string[],
    timeoutMillis: number,
    input?: string,
  ): Promise<ExecResult> {
    const until = Date.now() + timeoutMillis;
    const given = input === undefined ? {} : { 'input-data': Buffer.from(input).toString('base64') };
    const begun = await this.ask('guest-exec', { path, arg, 'capture-output': true, ...given }).catch(
      (error: SluiceError) => {
        if (error.code !== 'driver-refused') throw error;
        return undefined;
      },
    );
    // As a shell tells of a program that is not there.
    if (!begun) return { exitCode: 127, stdout: '' };
    const { pid } = begun as { pid: number };
    for (let wait = FIRST_POLL_MILLIS; ; wait = Math.min(2 * wait, MOST_POLL_MILLIS)) {
      const status = (await this.ask('guest-exec-status', { pid })) as ExecStatus;
      if (status.exited)
        return {
          exitCode: status.exitcode ?? 128 + (status.signal ?? 0),
          stdout: Buffer.from(status['out-data'] ?? '', 'base64').toString(),
        };
      if (Date.now() >= until)
        throw new SluiceError('driver-failed', `${path} did not end within ${timeoutMillis} ms.`);
      await delay(wait);
    }
  }
}

const silent = () => new SluiceError('driver-failed', 'The guest’s agent does not answer.');
