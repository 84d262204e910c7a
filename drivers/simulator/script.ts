import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ErrorCode, isErrorCode, SluiceError } from '../../domain/errors';
import { readJson, writeJson } from '../lib/atomic-file';

const HELD_POLL_MILLIS = 50;

/**
 * What a simulated host is told to do wrong, in `script.json` in its data folder, read at each call:
 *
 *     {"latencyMillis": {"start": 40},
 *      "faults": [{"verb": "start", "call": 2, "when": "after", "do": "fail", "code": "driver-failed"},
 *                 {"verb": "pause", "call": 1, "when": "before", "do": "hang"},
 *                 {"verb": "stop",  "call": 1, "when": "before", "do": "lie"},
 *                 {"verb": "send",  "call": 1, "when": "before", "do": "delay", "millis": 7000}]}
 *
 * `call` counts calls of that verb on that host from 1, across restarts of the agent; 0 means every call.
 * `fail` throws before or after the effect, `hang` never returns, `lie` reports success without the effect,
 * `delay` takes its time and then goes on, whoever has given it up meanwhile. `"images": []` takes its images away,
 * with `"unready": true` what runs never becomes ready, and verbs
 * in `"held": ["pause"]` wait for as long as they are there.
 */
export interface SimulatorScript {
  readonly latencyMillis?: Readonly<Record<string, number>>;
  readonly faults?: readonly SimulatorFault[];
  /** What the host has now, instead of what it had when it joined. */
  readonly images?: readonly string[];
  readonly unready?: boolean;
  readonly held?: readonly string[];
}

export interface SimulatorFault {
  readonly verb: string;
  readonly call: number;
  readonly when: 'before' | 'after';
  readonly do: 'fail' | 'hang' | 'lie' | 'delay';
  readonly code?: ErrorCode;
  readonly millis?: number;
}

export class ScriptedHost {
  private readonly dataDir: string;
  private counts: Record<string, number> | undefined;

  constructor(dataDir: string) {
    this.dataDir = dataDir;
  }

  /** Runs a verb as the script says. */
  async perform<T>(verb: string, effect: (script: SimulatorScript) => Promise<T>, lie: () => T): Promise<T> {
    let script = await this.script();
    for (; script.held?.includes(verb); script = await this.script()) await delay(HELD_POLL_MILLIS);
    const latency = script.latencyMillis?.[verb] ?? 0;
    if (latency > 0) await delay(latency);
    if (!script.faults?.some((f) => f.verb === verb)) return effect(script);

    const call = await this.count(verb);
    const fault = script.faults.find((f) => f.verb === verb && (f.call === call || f.call === 0));
    if (fault?.when === 'before') {
      if (fault.do === 'lie') return lie();
      await this.strike(fault, call);
    }
    const result = await effect(script);
    if (fault?.when === 'after') await this.strike(fault, call);
    return result;
  }

  private async script(): Promise<SimulatorScript> {
    return (await readJson<SimulatorScript>(join(this.dataDir, 'script.json'))) ?? {};
  }

  private async strike(fault: SimulatorFault, call: number): Promise<void> {
    if (fault.do === 'hang') await new Promise<never>(() => {});
    if (fault.do === 'delay') return delay(fault.millis ?? 0);
    const code = isErrorCode(fault.code) ? fault.code : 'driver-failed';
    throw new SluiceError(code, `Scripted fault: call ${call} of ${fault.verb}, ${fault.when} its effect.`);
  }

  private async count(verb: string): Promise<number> {
    const path = join(this.dataDir, 'calls.json');
    this.counts ??= (await readJson<Record<string, number>>(path)) ?? {};
    const call = (this.counts[verb] ?? 0) + 1;
    this.counts[verb] = call;
    await writeJson(path, this.counts);
    return call;
  }
}
