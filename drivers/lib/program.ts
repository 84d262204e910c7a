import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface RunResult {
  /** 137 when it was ended by a signal. */
  readonly exitCode: number;
  /** What ended it, when it did not end by itself. */
  readonly signal?: NodeJS.Signals;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** File descriptor that the command, and so the container it creates, writes its output to. */
  readonly outputFd?: number;
  readonly timeoutMillis?: number;
  /** What it reads; nothing when left out. */
  readonly input?: string;
  /** The folder it runs in. */
  readonly cwd?: string;
  /** What it says of errors is not even read. */
  readonly ignoresErrors?: boolean;
}

/** Of what a program writes so much is kept. What it runs on may be a tenant's, which writes without end. */
export const MOST_OUTPUT_BYTES = 1_048_576;
const MOST_CHUNKS = 256;

/** The first of what comes, or the last of it; the rest is thrown away as it comes. */
class Kept {
  private chunks: Buffer[] = [];
  private bytes = 0;
  private readonly which: 'first' | 'last';

  constructor(which: 'first' | 'last') {
    this.which = which;
  }

  add(chunk: Buffer): void {
    if (this.which === 'first' && this.bytes >= MOST_OUTPUT_BYTES) return;
    this.chunks.push(chunk);
    this.bytes += chunk.length;
    if (this.bytes < 2 * MOST_OUTPUT_BYTES && this.chunks.length < MOST_CHUNKS) return;
    this.chunks = [this.kept()];
    this.bytes = this.chunks[0]?.length ?? 0;
  }

  text(): string {
    return this.kept().toString('utf8');
  }

  private kept(): Buffer {
    const all = Buffer.concat(this.chunks);
    return this.which === 'first' ? all.subarray(0, MOST_OUTPUT_BYTES) : all.subarray(-MOST_OUTPUT_BYTES);
  }
}

/** Runs a program to its end. Never through a shell: arguments stay arguments. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [program, ...args] = command;
  if (program === undefined) throw new TypeError('nothing to run');
  return new Promise((resolve, reject) => {
    const out = options.outputFd ?? 'pipe';
    const child = spawn(program, args, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', out, options.ignoresErrors ? 'ignore' : out],
      cwd: options.cwd,
      timeout: options.timeoutMillis ?? 30_000,
      killSignal: 'SIGKILL',
    });
    // One that ends before it has read all tells so by its exit code.
    child.stdin?.on('error', () => undefined).end(options.input);
    const stdout = new Kept('first');
    // Why it failed it says last.
    const stderr = new Kept('last');
    child.stdout?.on('data', (chunk: Buffer) => stdout.add(chunk));
    child.stderr?.on('data', (chunk: Buffer) => stderr.add(chunk));
    child.on('error', reject);
    // A detached container keeps pipes open long after the runtime has exited: don't wait for `close` then.
    const done = (code: number | null, signal: NodeJS.Signals | null) =>
      resolve({
        ...{ exitCode: code ?? 137, stdout: stdout.text(), stderr: stderr.text() },
        ...(signal ? { signal } : {}),
      });
    child.on(options.outputFd === undefined ? 'close' : 'exit', done);
  });
}

export function findOnPath(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.map((f) => join(f, program)).find((path) => existsSync(path));
}
