import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync, rmSync, statSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { type CbcAnswer, lpFile, readCbc, startFile } from '../../domain/placement/optimize/lp-file';
import type { Placement, Problem } from '../../domain/placement/optimize/problem';
import { encode } from '../../domain/placement/optimize/program';
import type { ExactLimits } from './highs';

const PROBE_MILLIS = 2_000;
/** It looks at the clock between nodes only: one that goes on so much longer is killed. */
const GRACE_MILLIS = 1_000;
/** What it prints beyond that is of no use to anybody. */
const MOST_SAID = 1_000_000;

const OURS = 'sluice-cbc-';
/** No question takes as long by far. */
const STALE_MILLIS = 120_000;

/** Takes away what was left behind: a thread that is ended as CBC works for it has no time for that. */
export function sweepCbcFolders(now = Date.now()): void {
  for (const name of readdirSync(tmpdir()).filter((n) => n.startsWith(OURS))) {
    const folder = join(tmpdir(), name);
    // Another process may be sweeping as well, or it may be of another user.
    try {
      if (now - statSync(folder).mtimeMs > STALE_MILLIS) rmSync(folder, { recursive: true, force: true });
    } catch {}
  }
}

/** Where CBC is on this machine, if it is there and starts. A program's name is looked for on the path. */
export function findCbc(name = 'cbc', path = process.env.PATH ?? ''): string | undefined {
  const candidates = isAbsolute(name) ? [name] : path.split(delimiter).map((folder) => join(folder, name));
  return candidates.find((file) => isAbsolute(file) && canRun(file) && startsAsCbc(file));
}

function canRun(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function startsAsCbc(file: string): boolean {
  const { stdout } = spawnSync(file, ['-quit'], {
    ...{ encoding: 'utf8', timeout: PROBE_MILLIS, killSignal: 'SIGKILL', env: {} },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return /CBC MILP Solver/.test(stdout ?? '');
}

/**
 * Solves a problem by CBC (Debian's `coinor-cbc`), or as far as it comes, in a process of its own with files of its own.
 * @param from a placement to begin with
 * @param signal ends it at once
 * @throws Error when it fails, or says what is no answer
 */
export async function solveByCbc(
  program: string,
  problem: Problem,
  { millis, nodes }: ExactLimits,
  from: Placement | undefined,
  signal: AbortSignal,
): Promise<CbcAnswer> {
  const { program: rows, columns } = encode(problem);
  const lp = lpFile(rows);
  if (lp === undefined) return { bound: Infinity, infeasible: true, timedOut: false };
  const folder = await mkdtemp(join(tmpdir(), OURS));
  const file = (name: string) => join(folder, name);
  try {
    await writeFile(file('model.lp'), lp);
    if (from) await writeFile(file('start.mst'), startFile(problem, columns, from));
    const said = await run(
      program,
      [
        'model.lp',
        ...(from ? ['-mips', 'start.mst'] : []),
        // By the wall rather than by its own work: it is others who wait. One thread, which gives the same answer each time.
        ...['-timeMode', 'elapsed', '-seconds', String(millis / 1_000), '-threads', '0'],
        ...(nodes === undefined ? [] : ['-maxNodes', String(nodes)]),
        ...['-solve', '-solution', 'solution.txt'],
      ],
      { cwd: folder, millis: millis + GRACE_MILLIS, signal },
    );
    if (said === undefined) return { bound: -Infinity, infeasible: false, timedOut: true };
    return readCbc(problem, columns, await readFile(file('solution.txt'), 'utf8'), said);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

interface RunOptions {
  readonly cwd: string;
  readonly millis: number;
  readonly signal: AbortSignal;
}

/** @returns what it has printed; undefined when it was killed, as it is when its time is over */
function run(program: string, args: readonly string[], options: RunOptions): Promise<string | undefined> {
  const { cwd, millis, signal } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      ...{ cwd, signal, env: {}, killSignal: 'SIGKILL', timeout: millis },
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      if (said.length < MOST_SAID) said += chunk;
    });
    child.on('error', reject);
    child.on('close', (code, by) => {
      if (code === 0 || by) resolve(by ? undefined : said);
      else reject(new Error(`it ended with ${code}`));
    });
  });
}
