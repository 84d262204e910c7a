import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, parse, resolve } from 'node:path';
import { NAME_PATTERN } from '../../domain/ids';
import { isBuiltIn } from '../../domain/placement/built-in-policies';
import {
  type Parameters,
  type Policy,
  PolicyBroken,
  type PolicyData,
  type Ranking,
} from '../../domain/placement/policy';
import { Plugin } from './plugin';
import type { Description } from './protocol';

const ENDINGS = ['.js', '.cjs', '.mjs'];
const MOST_BYTES = 1_048_576;
/** What a plug-in may take of one decision. Nothing else is done in a process while it waits for one. */
const DECISION_MILLIS = 1_000;

interface Loaded {
  readonly sha256: string;
  readonly plugin: Plugin;
}

/** Policies in a folder, one a file, named as the file is. */
export class PolicyPlugins {
  private readonly folder: string | undefined;
  private readonly decisionMillis: number;
  private readonly loaded = new Map<string, Loaded>();

  /** @param decisionMillis how long a plug-in may take for all that one decision asks of it */
  constructor(folder: string | undefined, decisionMillis = DECISION_MILLIS) {
    this.folder = folder && resolve(folder);
    this.decisionMillis = decisionMillis;
  }

  /** Names of the files that look like policies; none of the built-in ones can be taken. */
  names(): string[] {
    try {
      return [...new Set(this.files().map((f) => parse(f).name))].sort();
    } catch {
      // A folder that is not there has none in it; who sets one is told.
      return [];
    }
  }

  /**
   * Loads what is in the file now and asks it what it is.
   * @throws PolicyBroken
   */
  describe(name: string): Description & { readonly sha256: string } {
    const { plugin, sha256 } = this.load(name);
    return { ...plugin.describe(), sha256 };
  }

  /**
   * A policy that can rank, for one decision.
   * @throws PolicyBroken when there is no such file, or it is another one than was set
   */
  equip(data: PolicyData): Policy {
    return data.plugin ? { ...data, ranking: this.ranking(data.name, data.plugin, data.parameters) } : data;
  }

  /** Ends the process of one that has broken: who sets it again begins anew. */
  giveUp(name: string): void {
    this.loaded.get(name)?.plugin.end();
    this.loaded.delete(name);
  }

  private ranking(
    name: string,
    { sha256, takes }: { readonly sha256: string; readonly takes: string },
    parameters: Parameters = {},
  ): Ranking {
    const loaded = this.load(name);
    if (loaded.sha256 !== sha256) throw new PolicyBroken('its file is another one than when it was set');
    const set = { ...loaded.plugin.describe().parameters, ...parameters };
    let left = this.decisionMillis;
    return {
      takes,
      scores: (placing, hosts) => {
        const { scores, millis } = loaded.plugin.scores(placing, hosts, set, left);
        left -= millis;
        if (left < 0) throw new PolicyBroken(`it took more than ${this.decisionMillis} ms for one decision`);
        return scores;
      },
    };
  }

  private load(name: string): Loaded {
    const { path, sha256 } = this.find(name);
    const known = this.loaded.get(name);
    if (known?.sha256 === sha256) return known;
    known?.plugin.end();
    const loaded = { sha256, plugin: new Plugin(path) };
    this.loaded.set(name, loaded);
    return loaded;
  }

  private find(name: string): { readonly path: string; readonly sha256: string } {
    try {
      const file = this.files().find((f) => parse(f).name === name);
      if (!this.folder || !file)
        throw new PolicyBroken(`there is no file for it in ${this.folder ?? 'any folder'}`);
      const path = join(this.folder, file);
      return { path, sha256: digestOf(path) };
    } catch (error) {
      if (error instanceof PolicyBroken) throw error;
      throw new PolicyBroken(`its file can't be read: ${(error as NodeJS.ErrnoException).code ?? error}`);
    }
  }

  private files(): string[] {
    if (this.folder === undefined) return [];
    return readdirSync(this.folder).filter((f) => {
      const { name, ext } = parse(f);
      return ENDINGS.includes(ext) && NAME_PATTERN.test(name) && !isBuiltIn(name);
    });
  }
}

function digestOf(path: string): string {
  if (statSync(path).size > MOST_BYTES) throw new PolicyBroken('its file is larger than 1 MiB');
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}
