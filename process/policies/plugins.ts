import { isBuiltIn } from '../../domain/placement/built-in-policies';
import {
  type Parameters,
  type Policy,
  PolicyBroken,
  type PolicyData,
  type PolicyPlugin,
  type Ranking,
} from '../../domain/placement/policy';
import { CHANGED, PluginFolder, type Unusable, unavailable } from './folder';
import { Decision, Plugin, PluginGone } from './plugin';
import type { Description } from './protocol';

/** What a plug-in may work for one decision: so long, and so long for each host that it is asked about. */
const DECISION_MILLIS = 1_000;
const SCORE_MILLIS = 0.02;
/** By the clock it may take so many times as long: the machine has other things to do as well. */
const WALL = 3;
const IDLE_MILLIS = 60_000;
const MOST_ATTEMPTS = 3;
const MOST_TAKEN = 3;

interface Loaded {
  readonly sha256: string;
  readonly plugin: Plugin;
  idle: NodeJS.Timeout | undefined;
}

/** Policies in a folder, one a file, named as the file is. */
export class PolicyPlugins {
  private readonly files: PluginFolder;
  private readonly decisionMillis: number;
  private readonly loaded = new Map<string, Loaded>();
  /** How often in a row the process of one was taken away while it was asked. */
  private readonly taken = new Map<string, number>();

  constructor(folder: string | undefined, decisionMillis = DECISION_MILLIS) {
    this.files = new PluginFolder(folder, 'placement policy', isBuiltIn);
    this.decisionMillis = decisionMillis;
  }

  get folder(): string | undefined {
    return this.files.path;
  }

  /** Names of the files that look like policies; none of the built-in ones can be taken. */
  names(): string[] {
    return this.files.names();
  }

  /** Files of the folder that can't be one, and why. */
  unusable(): Unusable[] {
    return this.files.unusable();
  }

  /**
   * Loads what is in the file now and asks it what it is.
   * @throws PolicyBroken
   * @throws SluiceError `unavailable`
   */
  async describe(name: string): Promise<Description & { readonly sha256: string }> {
    const { sha256, plugin } = await this.load(name);
    return { ...(await plugin.describe()), sha256 };
  }

  /**
   * A policy that can rank, for one decision.
   * @throws PolicyBroken when there is no such file, or it is another one than was set
   * @throws SluiceError `unavailable`
   */
  async equip(data: PolicyData): Promise<Policy> {
    return data.plugin
      ? { ...data, ranking: await this.ranking(data.name, data.plugin, data.parameters) }
      : data;
  }

  /** Why one that was set could not be asked now, as far as its file tells. */
  fault(name: string, plugin: Pick<PolicyPlugin, 'sha256'>): string | undefined {
    return this.files.fault(name, plugin);
  }

  /** Ends all but this one. */
  keepOnly(name: string): void {
    for (const other of [...this.loaded.keys()]) if (other !== name) this.giveUp(other);
  }

  /** Ends the process of one that has broken: who sets it again begins anew. */
  giveUp(name: string): void {
    const loaded = this.loaded.get(name);
    clearTimeout(loaded?.idle);
    loaded?.plugin.end();
    this.loaded.delete(name);
  }

  /**
   * A decision is made by one policy from its beginning to its end: whoever asked for it asks anew. Not for ever: what ends again
   * and again while it is asked may as well do that to itself.
   */
  private takenAway(name: string, gone: PluginGone): Error {
    this.giveUp(name);
    const times = (this.taken.get(name) ?? 0) + (gone.ours ? 0 : 1);
    this.taken.set(name, times);
    if (times < MOST_TAKEN) return unavailable(`placement policy ${name}`, gone);
    this.taken.delete(name);
    return new PolicyBroken(`${gone.message}, ${MOST_TAKEN} times in a row while it was asked`);
  }

  /** Nothing decides by it any more, or seldom: it is begun again when it is asked. */
  private untilIdle(name: string): NodeJS.Timeout {
    return setTimeout(() => this.giveUp(name), IDLE_MILLIS).unref();
  }

  private async ranking(
    name: string,
    { sha256, takes }: PolicyPlugin,
    parameters: Parameters = {},
  ): Promise<Ranking> {
    const loaded = await this.load(name);
    if (loaded.sha256 !== sha256) throw new PolicyBroken(CHANGED);
    const set = { ...(await loaded.plugin.describe()).parameters, ...parameters };
    const decision = new Decision();
    let budget = this.decisionMillis;
    let worked = 0;
    let waited = 0;
    return {
      takes,
      scores: (placing, hosts) => {
        const most = this.decisionMillis + SCORE_MILLIS * hosts.length;
        budget += SCORE_MILLIS * hosts.length;
        const limits = {
          cpuMillis: Math.min(most, budget - worked),
          wallMillis: Math.min(WALL * most, WALL * budget - waited),
          tooLong: `it took more than ${Math.round(budget)} ms for one decision`,
        };
        const began = performance.now();
        try {
          const { scores, cpuMillis } = loaded.plugin.scores(decision, placing, hosts, set, limits);
          worked += cpuMillis;
          waited += performance.now() - began;
          this.taken.delete(name);
          if (worked <= budget && waited <= WALL * budget) return [...scores];
        } catch (error) {
          if (!(error instanceof PluginGone)) throw error;
          throw this.takenAway(name, error);
        }
        throw new PolicyBroken(limits.tooLong);
      },
    };
  }

  private async load(name: string): Promise<Loaded> {
    const { path, sha256 } = this.files.find(name);
    for (let attempt = 1; ; attempt++) {
      const known = this.loaded.get(name);
      if (known?.sha256 !== sha256) this.giveUp(name);
      else clearTimeout(known.idle);
      const loaded: Loaded =
        known?.sha256 === sha256 ? known : { sha256, plugin: new Plugin(path, sha256), idle: undefined };
      loaded.idle = this.untilIdle(name);
      this.loaded.set(name, loaded);
      try {
        await loaded.plugin.describe();
        return loaded;
      } catch (error) {
        if (!(error instanceof PluginGone)) throw error;
        // Somebody else may have begun another one by now.
        if (this.loaded.get(name) === loaded) this.giveUp(name);
        if (attempt === MOST_ATTEMPTS) throw unavailable(`placement policy ${name}`, error);
      }
    }
  }
}
