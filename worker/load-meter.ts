import type { HostId, VeeId } from '../domain/ids';
import { type Counters, rounded, smoothed, told, type Usage, usageBetween } from '../domain/measured';
import type { Measurement } from '../drivers/contract';

/** What a host and its VEEs use, as far as it is known. */
export interface HostUsage {
  readonly measured?: Usage;
  readonly vees: ReadonlyMap<VeeId, Usage>;
}

interface Reading {
  readonly at: number;
  readonly counters: Counters;
  readonly usage: Usage | undefined;
}

interface Kept {
  host?: Reading;
  vees: ReadonlyMap<VeeId, Reading>;
  told?: Usage;
}

/** Makes what is in use out of what has been used by then, for each host that this agent serves. */
export class LoadMeter {
  private readonly kept = new Map<HostId, Kept>();

  /** @param atMillis of a clock that nobody sets */
  read(hostId: HostId, measurement: Measurement, capacity: Usage, atMillis: number): HostUsage {
    const before = this.kept.get(hostId);
    const vees = new Map(
      [...measurement.vees].map(([id, counters]) => [id, read(before?.vees.get(id), counters, atMillis)]),
    );
    const host = measurement.host && read(before?.host, measurement.host, atMillis);
    // Where nothing is known of the whole it is what the VEEs use.
    const usage = host ? host.usage : total([...vees.values()]);
    const measured = usage && told(before?.told, usage, capacity);
    this.kept.set(hostId, { vees, ...(host ? { host } : {}), ...(measured ? { told: measured } : {}) });
    return {
      ...(measured ? { measured } : {}),
      vees: new Map([...vees].flatMap(([id, { usage: of }]) => (of ? [[id, rounded(of)] as const] : []))),
    };
  }
}

function read(before: Reading | undefined, counters: Counters, at: number): Reading {
  const latest = before && usageBetween(before.counters, counters, at - before.at);
  const usage = latest && smoothed(before.usage, latest, at - before.at);
  return { at, counters, usage };
}

/** Of those that have been read twice; of none at all nothing is in use. */
const total = (vees: readonly Reading[]): Usage =>
  vees.reduce(
    (all, { usage }) => ({
      cpuMillis: all.cpuMillis + (usage?.cpuMillis ?? 0),
      memoryMiB: all.memoryMiB + (usage?.memoryMiB ?? 0),
    }),
    { cpuMillis: 0, memoryMiB: 0 },
  );
