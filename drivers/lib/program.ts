import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

export interface RunResult {
  readonly exitCode: number;
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
}

/** Runs a program to its end. Never through a shell: arguments stay arguments. */
export function run(command: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [program, ...args] = command;
  if (program === undefined) throw new TypeError('nothing to run');
  return new Promise((resolve, reject) => {
    const out = options.outputFd ?? 'pipe';
    const child = spawn(program, args, {
      stdio: [options.input === undefined ? 'ignore' : 'pipe', out, out],
      cwd: options.cwd,
      timeout: options.timeoutMillis ?? 30_000,
      killSignal: 'SIGKILL',
    });
    // One that ends before it has read all tells so by its exit code.
    child.stdin?.on('error', () => undefined).end(options.input);
    let stdout = '';
    let stderr = '';
    child.stdout?.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr?.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('error', reject);
    // A detached container keeps pipes open long after the runtime has exited: don't wait for `close` then.
    const done = (code: number | null) => resolve({ exitCode: code ?? 137, stdout, stderr });
    child.on(options.outputFd === undefined ? 'close' : 'exit', done);
  });
}

export function findOnPath(program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.map((f) => join(f, program)).find((path) => existsSync(path));
}
