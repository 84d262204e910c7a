import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createStream, type RotatingFileStream } from 'rotating-file-stream';
import { readJson, writeJson } from '../drivers/lib/atomic-file';
import { endProcess, type ProcessIdentity, startTimeOf } from '../drivers/lib/process-identity';

export interface ChildSpec {
  readonly name: string;
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** Where it listens, for those who are told that it is ready. */
  readonly address?: string;
  /** Polled until true. A Node process of ours needs none: it tells by itself. */
  readonly answers?: () => Promise<boolean>;
  readonly readyMillis?: number;
}

export type ChildEvent =
  | {
      readonly kind: 'starting' | 'ready' | 'stopped';
      readonly name: string;
      readonly pid?: number;
      readonly address?: string;
      readonly millis?: number;
    }
  | { readonly kind: 'died'; readonly name: string; readonly how: string; readonly restartInMillis: number };

const FIRST_BACKOFF_MILLIS = 100;
const MOST_BACKOFF_MILLIS = 10_000;
/** A child that ran for so long had a good start: the next death is not held against it. */
const HEALTHY_MILLIS = 3_000;
const STOP_GRACE_MILLIS = 12_000;
const LOG_OPTIONS = { size: '10M', maxFiles: 5 } as const;

/** A child can't run with what it was given, in its own words. */
export class UnusableSettings extends Error {}

/** One supervised process: started until it is ready, restarted with backoff when it dies, ended on request. */
export class Child {
  readonly spec: ChildSpec;
  private readonly dataDir: string;
  private readonly tell: (event: ChildEvent) => void;
  private process: ChildProcess | undefined;
  private identity: ProcessIdentity | undefined;
  private log: RotatingFileStream | undefined;
  private stopping = false;
  /** Why it can't run with what it was given, in its own words: then it is not started again. */
  private unusable: string | undefined;
  private backoff = FIRST_BACKOFF_MILLIS;
  private facts: Record<string, unknown> = {};
  /** Wakes a wait for readiness when the process dies. */
  private exited: Promise<void> = Promise.resolve();

  constructor(spec: ChildSpec, dataDir: string, tell: (event: ChildEvent) => void) {
    this.spec = spec;
    this.dataDir = dataDir;
    this.tell = tell;
  }

  get pid(): number | undefined {
    return this.identity?.pid;
  }

  /** What the child told when it became ready, such as the port it listens on. */
  get told(): Readonly<Record<string, unknown>> {
    return this.facts;
  }

  /** Starts it and waits until it does its work. @throws when it does not within its time */
  async start(): Promise<void> {
    await mkdir(join(this.dataDir, 'logs'), { recursive: true });
    this.log ??= createStream(`${this.spec.name}.log`, { ...LOG_OPTIONS, path: join(this.dataDir, 'logs') });
    await this.endLeftover();
    const began = Date.now();
    const until = began + (this.spec.readyMillis ?? 60_000);
    this.tell({ kind: 'starting', name: this.spec.name });
    await this.launch();
    while (!(await this.isReady())) {
      if (this.stopping) return;
      if (this.unusable) throw new UnusableSettings(this.unusable);
      if (Date.now() > until)
        throw new Error(
          `${this.spec.name} was not ready after ${Date.now() - began} ms; see ${join(this.dataDir, 'logs', `${this.spec.name}.log`)}`,
        );
      // One that died is started again by a timer, which needs the event loop to turn.
      await (this.process ? Promise.race([delay(50), this.exited]) : delay(50));
    }
    this.tellReady(began);
  }

  async stop(): Promise<void> {
    this.stopping = true;
    if (this.identity) await endProcess(this.identity, STOP_GRACE_MILLIS);
    await this.exited;
    await rm(this.recordPath, { force: true });
    await new Promise<void>((resolve) => (this.log ? this.log.end(() => resolve()) : resolve()));
    this.log = undefined;
    this.tell({ kind: 'stopped', name: this.spec.name });
  }

  private get recordPath(): string {
    return join(this.dataDir, 'run', `${this.spec.name}.json`);
  }

  /** A supervisor that was killed may have left its child: it is ended by what was recorded of it. */
  private async endLeftover(): Promise<void> {
    const left = await readJson<ProcessIdentity>(this.recordPath);
    if (left) await endProcess(left, STOP_GRACE_MILLIS);
  }

  private async launch(): Promise<void> {
    if (this.stopping) return;
    this.facts = {};
    const ours = this.spec.answers === undefined;
    const [program = '', ...args] = ours ? this.spec.command : [...deathSignal(), ...this.spec.command];
    const child = spawn(program, args, {
      env: { ...process.env, ...this.spec.environment },
      stdio: ['ignore', 'pipe', 'pipe', ...(ours ? (['ipc'] as const) : [])],
      // Ctrl-C goes to the whole foreground group; children stop when the supervisor says so, in order.
      detached: true,
    });
    this.process = child;
    const born = Date.now();
    child.stdout?.on('data', (chunk) => this.log?.write(chunk));
    child.stderr?.on('data', (chunk) => this.log?.write(chunk));
    child.on('message', (message) => {
      if (typeof message !== 'object' || message === null) return;
      if ('ready' in message) this.facts = message as Record<string, unknown>;
      if ('unusable' in message) this.unusable = String(message.unusable);
    });
    this.exited = new Promise((resolve) => {
      let over = false;
      const end = (how: string) => {
        if (over) return;
        over = true;
        this.process = undefined;
        this.identity = undefined;
        resolve();
        if (!this.stopping && !this.unusable) this.restart(how, Date.now() - born);
      };
      child.once('error', (error) => end(error.message));
      child.once('exit', (code, signal) => end(signal ?? `exit code ${code}`));
    });
    if (child.pid === undefined) return;
    this.identity = { pid: child.pid, startTime: (await startTimeOf(child.pid)) ?? '' };
    await writeJson(this.recordPath, this.identity);
  }

  private restart(how: string, livedMillis: number): void {
    if (livedMillis > HEALTHY_MILLIS) this.backoff = FIRST_BACKOFF_MILLIS;
    const restartInMillis = this.backoff;
    this.backoff = Math.min(this.backoff * 2, MOST_BACKOFF_MILLIS);
    this.tell({ kind: 'died', name: this.spec.name, how, restartInMillis });
    setTimeout(() => {
      if (this.stopping) return;
      const began = Date.now();
      this.launch()
        .then(() => this.reportRecovery(began))
        .catch((error: Error) =>
          this.tell({
            kind: 'died',
            name: this.spec.name,
            how: error.message,
            restartInMillis: this.backoff,
          }),
        );
    }, restartInMillis);
  }

  private async reportRecovery(began: number): Promise<void> {
    while (this.process && !this.stopping) {
      if (await this.isReady()) {
        this.tellReady(began);
        return;
      }
      await Promise.race([delay(50), this.exited]);
    }
  }

  private tellReady(began: number): void {
    const { name, address } = this.spec;
    const { pid } = this;
    this.tell({
      kind: 'ready',
      name,
      millis: Date.now() - began,
      ...(pid ? { pid } : {}),
      ...(address ? { address } : {}),
    });
  }

  private async isReady(): Promise<boolean> {
    if (!this.process) return false;
    return this.spec.answers ? this.spec.answers() : this.facts.ready === true;
  }
}

/** Has the kernel end a foreign program with us. Without it, the next start ends what was recorded. */
function deathSignal(): string[] {
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find((p) => existsSync(p));
  return process.platform === 'linux' && setpriv ? [setpriv, '--pdeathsig', 'TERM'] : [];
}
