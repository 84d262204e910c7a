import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, parse, resolve } from 'node:path';
import { SluiceError } from '../../domain/errors';
import { NAME_PATTERN } from '../../domain/ids';
import { PolicyBroken } from '../../domain/placement/policy';

const ENDINGS = ['.js', '.cjs', '.mjs'];
const MOST_BYTES = 1_048_576;

export const CHANGED = 'its file is another one than when it was set';

/** A file of a folder that can't be a plug-in, and why. */
export interface Unusable {
  readonly file: string;
  readonly because: string;
}

export interface FoundPlugin {
  readonly path: string;
  readonly sha256: string;
}

/** Plug-ins of one kind in a folder, one a file, named as the file is. */
export class PluginFolder {
  readonly path: string | undefined;
  private readonly kind: string;
  private readonly isTaken: (name: string) => boolean;

  /**
   * @param kind what people call one
   * @param isTaken names that none can have
   */
  constructor(path: string | undefined, kind: string, isTaken: (name: string) => boolean) {
    this.path = path && resolve(path);
    this.kind = kind;
    this.isTaken = isTaken;
  }

  /** Names of the files that look like plug-ins. */
  names(): string[] {
    const names = this.all().filter((f) => this.whyNone(f) === undefined);
    return [...new Set(names.map((f) => parse(f).name))].sort();
  }

  /** What is there besides, and would be looked for in vain. What is wrong within a file shows when it is loaded. */
  unusable(): Unusable[] {
    const all = this.all();
    return all.flatMap((file) => {
      const because = this.whyNone(file) ?? this.whyNot(file, all);
      return because === undefined ? [] : [{ file, because }];
    });
  }

  /** Why one that was set could not be asked now, as far as its file tells. */
  fault(name: string, { sha256 }: Pick<FoundPlugin, 'sha256'>): string | undefined {
    try {
      return this.find(name).sha256 === sha256 ? undefined : CHANGED;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /**
   * @throws PolicyBroken when there is none
   * @throws SluiceError `unavailable` when it can't be read now
   */
  find(name: string): FoundPlugin {
    try {
      const [file, other] = this.all().filter((f) => parse(f).name === name && !this.whyNone(f));
      if (!this.path || !file)
        throw new PolicyBroken(`there is no file for it in ${this.path ?? 'any folder'}`);
      if (other) throw new PolicyBroken(`there are two files for it, ${file} and ${other}`);
      const path = join(this.path, file);
      return { path, sha256: digestOf(path) };
    } catch (error) {
      if (error instanceof PolicyBroken) throw error;
      if (isAbsent(error)) throw new PolicyBroken(`there is no file for it in ${this.path}`);
      throw unavailable(`${this.kind} ${name}`, error as Error);
    }
  }

  /** A folder that is not there has none in it; who sets one is told. */
  private all(): string[] {
    try {
      if (this.path === undefined) return [];
      const entries = readdirSync(this.path, { withFileTypes: true });
      return entries.flatMap((e) => (e.isDirectory() ? [] : e.name)).sort();
    } catch (error) {
      if (!isAbsent(error)) throw error;
      return [];
    }
  }

  private whyNone(file: string): string | undefined {
    const { name, ext } = parse(file);
    if (!ENDINGS.includes(ext)) return `its name ends with none of ${ENDINGS.join(', ')}`;
    if (!NAME_PATTERN.test(name)) return 'its name may have a-z, 0-9 and - only';
    return this.isTaken(name) ? `${name} is built in` : undefined;
  }

  private whyNot(file: string, all: readonly string[]): string | undefined {
    const same = all.find((f) => f !== file && parse(f).name === parse(file).name && !this.whyNone(f));
    if (same !== undefined) return `${same} has the same name`;
    try {
      digestOf(join(this.path ?? '', file));
      return undefined;
    } catch (error) {
      return (error as Error).message;
    }
  }
}

const isAbsent = (error: unknown): boolean => (error as NodeJS.ErrnoException).code === 'ENOENT';

/** @param who such as `placement policy greenest` */
export const unavailable = (who: string, cause: Error): SluiceError =>
  new SluiceError('unavailable', `The ${who} can't be asked now: ${cause.message}.`, { cause });

function digestOf(path: string): string {
  if (statSync(path).size > MOST_BYTES) throw new PolicyBroken('its file is larger than 1 MiB');
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
