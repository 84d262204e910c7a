import { connect, type Socket } from 'node:net';
import { SluiceError } from '../../domain/errors';
import { onJsonLines, writeJsonLine } from './json-lines';

const COMMAND_MILLIS = 5_000;
const HANDSHAKE_MILLIS = 5_000;

/** What went wrong: QEMU refused the command, did not answer in time, or the connection ended or spoke no QMP. */
export type QmpFailure = 'refused' | 'timeout' | 'closed' | 'protocol';

export class QmpError extends SluiceError {
  readonly kind: QmpFailure;
  /** QEMU's own class of a refusal, such as `CommandNotFound`. */
  readonly errorClass: string | undefined;

  constructor(kind: QmpFailure, detail: string, errorClass?: string) {
    super('driver-failed', detail);
    this.kind = kind;
    this.errorClass = errorClass;
  }
}

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface Pending {
  readonly command: string;
  resolve(value: unknown): void;
  reject(error: QmpError): void;
}

interface Waiter {
  readonly matches: (event: QmpEvent) => boolean;
  resolve(event: QmpEvent): void;
  reject(error: QmpError): void;
}

/**
 * QEMU's machine protocol over its Unix socket (docs/interop/qmp-spec): a greeting, capabilities, then commands by
 * id, whose answers may come in any order, among events. QEMU serves one client at a time: a second connection is
 * greeted once the first has ended.
 */
export class QmpClient {
  /** QEMU's version, as greeted: `7.2.22`. */
  version = '';
  private readonly socket: Socket;
  private readonly pending = new Map<number, Pending>();
  private readonly waiters = new Set<Waiter>();
  private serial = 0;
  private ended: QmpError | undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
  }

  /** @throws QmpError `closed` when nobody listens, `timeout`, or `protocol` */
  static async connect(path: string, timeoutMillis = HANDSHAKE_MILLIS): Promise<QmpClient> {
    const client = new QmpClient(connect(path));
    try {
      await client.handshake(timeoutMillis);
      return client;
    } catch (error) {
      client.close();
      throw error;
    }
  }

  get isOpen(): boolean {
    return this.ended === undefined;
  }

  /** @throws QmpError */
  execute<T = unknown>(command: string, args?: object, timeoutMillis = COMMAND_MILLIS): Promise<T> {
    if (this.ended) return Promise.reject(this.ended);
    const id = ++this.serial;
    const answer = new Promise<T>((resolve, reject) => {
      this.pending.set(id, { command, resolve: (value) => resolve(value as T), reject });
    });
    writeJsonLine(this.socket, { execute: command, ...(args ? { arguments: args } : {}), id });
    return within(answer, timeoutMillis, `QEMU did not answer ${command}`, () => this.pending.delete(id));
  }

  /**
   * The next event that matches. Ask before the command that causes it: events are not kept.
   * @throws QmpError `timeout`, or `closed`
   */
  event(
    matches: (event: QmpEvent) => boolean,
    timeoutMillis: number | undefined,
    what = 'the event',
  ): Promise<QmpEvent> {
    if (this.ended) return Promise.reject(this.ended);
    let waiter: Waiter | undefined;
    const seen = new Promise<QmpEvent>((resolve, reject) => {
      waiter = { matches, resolve, reject };
      this.waiters.add(waiter);
    });
    // Whoever asks may first wait for something else that fails.
    seen.catch(() => undefined);
    const done = within(seen, timeoutMillis, `QEMU did not tell of ${what}`, () => {
      if (waiter) this.waiters.delete(waiter);
    });
    done.catch(() => undefined);
    return done;
  }

  close(): void {
    this.end(new QmpError('closed', 'The connection to QEMU was closed.'));
    this.socket.destroy();
  }

  private async handshake(timeoutMillis: number): Promise<void> {
    const greeted = new Promise<void>((resolve, reject) => {
      this.socket.on('error', (error) =>
        this.end(new QmpError('closed', `The connection to QEMU failed: ${error.message}`)),
      );
      this.socket.on('close', () => {
        this.end(new QmpError('closed', 'QEMU closed its connection.'));
        reject(this.ended);
      });
      onJsonLines(this.socket, (message) => {
        if ('QMP' in message) {
          this.version = versionIn(message.QMP);
          resolve();
        } else this.receive(message);
      });
    });
    await within(greeted, timeoutMillis, 'QEMU did not greet');
    await this.execute('qmp_capabilities', undefined, timeoutMillis);
  }

  private receive(message: Record<string, unknown>): void {
    if (typeof message.event === 'string') {
      const event = { event: message.event, data: (message.data ?? {}) as Record<string, unknown> };
      for (const waiter of [...this.waiters]) {
        if (!waiter.matches(event)) continue;
        this.waiters.delete(waiter);
        waiter.resolve(event);
      }
      return;
    }
    // An answer to nobody's question is one that came too late.
    const pending = this.pending.get(message.id as number);
    if (!pending) return;
    this.pending.delete(message.id as number);
    if ('error' in message) {
      const { class: errorClass, desc } = message.error as { class?: string; desc?: string };
      pending.reject(new QmpError('refused', `QEMU refused ${pending.command}: ${desc ?? ''}`, errorClass));
    } else pending.resolve(message.return);
  }

  private end(why: QmpError): void {
    if (this.ended) return;
    this.ended = why;
    for (const { reject } of [...this.pending.values(), ...this.waiters]) reject(why);
    this.pending.clear();
    this.waiters.clear();
  }
}

function versionIn(greeting: unknown): string {
  const { qemu } = (greeting as { version?: { qemu?: Record<string, number> } }).version ?? {};
  return qemu ? `${qemu.major}.${qemu.minor}.${qemu.micro}` : '';
}

/** @throws QmpError `timeout` */
async function within<T>(
  promise: Promise<T>,
  millis: number | undefined,
  what: string,
  givenUp: () => void = () => undefined,
): Promise<T> {
  if (millis === undefined) return promise;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      givenUp();
      reject(new QmpError('timeout', `${what} within ${millis} ms.`));
    }, millis);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
