import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startTimeOf } from '../../drivers/lib/process-identity';
import type { Json } from './json';
import type { TestSite } from './site';

const SLUICE = join(process.cwd(), 'bin', 'sluice');

/** As on a user's machine: no engine in the environment, so that `up` starts its own. */
const ENVIRONMENT = Object.fromEntries(
  Object.entries(process.env).filter(([k]) => !/^(TEMPORAL_|MONGODB_|SLUICE_)/.test(k)),
);

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export const sluice = (dataDir: string, ...args: string[]): Promise<Result> =>
  sluiceIn(ENVIRONMENT, dataDir, args);

export async function sluiceIn(
  env: NodeJS.ProcessEnv,
  dataDir: string,
  args: readonly string[],
): Promise<Result> {
  const child = spawn(process.execPath, [SLUICE, '--data-dir', dataDir, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (c) => {
    stdout += c;
  });
  child.stderr.on('data', (c) => {
    stderr += c;
  });
  const [code] = await once(child, 'close');
  return { code, stdout, stderr };
}

export async function sluiceJson(dataDir: string, ...args: string[]): Promise<Json> {
  const { code, stdout, stderr } = await sluice(dataDir, '--json', ...args);
  if (code !== 0) throw new Error(`sluice ${args.join(' ')} ended with ${code}: ${stdout}${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

/** A `sluice up` in a process of its own, with engines of its own. */
export class RunningSite {
  readonly dataDir: string;
  readonly ready: { pid: number; apiUrl: string; token: string; processes: { name: string; pid: number }[] };
  private readonly child: ChildProcess;
  private readonly output: { text: string };

  private constructor(
    dataDir: string,
    child: ChildProcess,
    ready: RunningSite['ready'],
    output: { text: string },
  ) {
    this.dataDir = dataDir;
    this.child = child;
    this.ready = ready;
    this.output = output;
  }

  static async start(dataDir: string, ...flags: string[]): Promise<RunningSite> {
    const child = spawn(process.execPath, [SLUICE, '--data-dir', dataDir, '--json', 'up', ...flags], {
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { text: '' };
    child.stderr.on('data', (c) => {
      output.text += c;
    });
    const line = await new Promise<string>((resolve, reject) => {
      let text = '';
      child.stdout.on('data', (c) => {
        text += c;
        if (text.includes('\n')) resolve(text);
      });
      child.once('exit', (code) => reject(new Error(`up ended with ${code}: ${output.text}`)));
    });
    return new RunningSite(dataDir, child, JSON.parse(line), output);
  }

  /** What it told on standard error so far. */
  get said(): string {
    return this.output.text;
  }

  get pids(): number[] {
    return this.ready.processes.map((p) => p.pid);
  }

  pidOf(name: string): number {
    return this.ready.processes.find((p) => p.name === name)?.pid ?? 0;
  }

  json = (...args: string[]): Promise<Json> => sluiceJson(this.dataDir, ...args);
  run = (...args: string[]): Promise<Result> => sluice(this.dataDir, ...args);

  async send(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(new URL(path, this.ready.apiUrl), {
      method,
      headers: {
        authorization: `Bearer ${this.ready.token}`,
        ...(body ? { 'content-type': 'application/json' } : {}),
        ...headers,
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    return { status: response.status, body: (await response.json()) as Json, headers: response.headers };
  }

  /** @returns what of it is still there afterwards, which should be nothing */
  async stop(): Promise<number[]> {
    this.child.kill('SIGTERM');
    if (this.child.exitCode === null) await once(this.child, 'exit');
    return stillThere(this.pids, 1_000);
  }
}

export async function stillThere(pids: readonly number[], millis: number): Promise<number[]> {
  const until = Date.now() + millis;
  for (;;) {
    const left: number[] = [];
    for (const pid of pids) if (await startTimeOf(pid)) left.push(pid);
    if (left.length === 0 || Date.now() > until) return left;
    await delay(100);
  }
}

/** The command line of an operator of a site, in a folder of its own. */
export function cliOf(site: () => TestSite, folder: () => string = process.cwd) {
  return async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    const { apiUrl, token } = site().system.access;
    const env = { ...process.env, SLUICE_URL: apiUrl, SLUICE_TOKEN: token };
    const { code, stdout, stderr } = await sluiceIn(env, folder(), args);
    return { code, out: stdout, err: stderr };
  };
}
