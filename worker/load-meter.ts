import type { HostId, VeeId } from '../domain/ids';
import {
  accountedFor,
  type Counters,
  isUsable,
  rounded,
  smoothed,
  told,
  type Usage,
  usageBetween,
} from '../domain/measured';
import type { Measurement } from '../drivers/contract';

/** What a host and its VEEs use, as far as it is known. */
export interface HostUsage {
  /** At which rate VEEs write their memory, kbit/s. */
  readonly dirtyKbps?: ReadonlyMap<VeeId, number>;
  readonly measured?: Usage;
  /** What is asked for by those whose use is known, and is in `measured`. */
  readonly accounted?: Usage;
  readonly vees: ReadonlyMap<VeeId, Usage>;
}

/** What a host has, and what its VEEs ask for. */
export interface Measured {
  readonly capacity: Usage;
  readonly needs: ReadonlyMap<VeeId, Usage>;
}

interface Reading {
  /** When it was first read. */
  readonly since: number;
  readonly at: number;
  readonly counters: Counters;
  readonly usage: Usage | undefined;
}

interface Kept {
  host?: Reading;
  vees: ReadonlyMap<VeeId, Reading>;
  told?: Usage;
}

const NOTHING: Usage = { cpuMillis: 0, memoryMiB: 0 };

/** Makes what is in use out of what has been used by then, for each host that this agent serves. */
export class LoadMeter {
  private readonly kept = new Map<HostId, Kept>();

  /** @param atMillis of a clock that nobody sets */
  read(
    hostId: HostId,
    measurement: Measurement | undefined,
    { capacity, needs }: Measured,
    atMillis: number,
  ): HostUsage {
    const before = this.kept.get(hostId);
    if (!measurement) {
      this.kept.set(hostId, { vees: new Map() });
      return { vees: new Map() };
    }
    // What was there before this agent is not young.
    const since = before ? atMillis : Number.NEGATIVE_INFINITY;
    const vees = new Map(
      [...measurement.vees].flatMap(([id, counters]) => {
        const reading = read(before?.vees.get(id), counters, atMillis, since);
        return reading ? [[id, reading] as const] : [];
      }),
    );
    const host = measurement.host && read(before?.host, measurement.host, atMillis, since);
    const known = [...vees].flatMap(([id, { usage, since }]) => (usage ? [{ id, usage, since }] : []));
    // Where nothing is known of the whole it is what the VEEs use; of none at all nothing is in use.
    const usage = measurement.host ? host?.usage : total(known.map((v) => v.usage));
    const measured = usage && isUsable(usage) ? told(before?.told, usage, capacity) : undefined;
    this.kept.set(hostId, { vees, ...(host ? { host } : {}), ...(measured ? { told: measured } : {}) });
    const accounted = known.flatMap(({ id, usage, since }) => {
      const need = needs.get(id);
      return need ? [accountedFor(need, usage, atMillis - since)] : [];
    });
    const beside = total(accounted);
    return {
      ...(measured ? { measured } : {}),
      ...(measured && isUsable(beside) ? { accounted: rounded(beside) } : {}),
      ...(measurement.dirtyKbps ? { dirtyKbps: wholeRates(measurement.dirtyKbps) } : {}),
      vees: new Map(known.map(({ id, usage }) => [id, rounded(usage)])),
    };
  }
}

/** @returns nothing for what no counter says */
function read(
  before: Reading | undefined,
  counters: Counters,
  at: number,
  since: number,
): Reading | undefined {
  if (!isUsable({ cpuMillis: counters.cpuMicros, memoryMiB: counters.memoryMiB })) return undefined;
  const latest = before && usageBetween(before.counters, counters, at - before.at);
  const usage = latest && smoothed(before.usage, latest, at - before.at);
  return { since: before?.since ?? since, at, counters, usage };
}

/** A heartbeat with a rate that is none would be refused, and its host fall silent: such a rate is left out. */
const wholeRates = (rates: ReadonlyMap<VeeId, number>): ReadonlyMap<VeeId, number> =>
  new Map(
    [...rates].map(([id, kbps]) => [id, Math.round(kbps)] as const).filter(([, kbps]) => isWhole(kbps)),
  );

const isWhole = (amount: number): boolean => Number.isSafeInteger(amount) && amount >= 0;

const total = (all: readonly Usage[]): Usage =>
  all.reduce(
    (sum, { cpuMillis, memoryMiB }) => ({
      cpuMillis: sum.cpuMillis + cpuMillis,
      memoryMiB: sum.memoryMiB + memoryMiB,
    }),
    NOTHING,
  );
