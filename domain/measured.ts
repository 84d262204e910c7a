import type { Capacity } from './units';

/** What is really in use, as it was measured: CPU in thousandths of a core over the last half minute or so, memory in MiB. */
export interface Usage {
  readonly cpuMillis: number;
  readonly memoryMiB: number;
}

/** What is known to be in use of a host. */
export interface HostLoad extends Usage {
  /** What is asked for by those whose use is in it: whatever else is reserved there may be used at any moment. Absent where nobody has said. */
  readonly accounted?: Usage | undefined;
  /** When the agent told of it; absent in records of earlier releases. */
  readonly at?: number | undefined;
}

/** What can be read at a moment: the processor time that was taken so far, in microseconds, and memory in MiB. */
export interface Counters {
  readonly cpuMicros: number;
  readonly memoryMiB: number;
}

/** After so long what was measured before counts for half. */
const HALF_LIFE_MILLIS = 15_000;
/** A change of less than this share of a host is none: what is about as busy should not change places in every decision. */
const STEP = 0.02;

/** So long one counts as what it asks for, from all of it to nothing: what has just begun uses little as yet. */
const YOUNG_MILLIS = 60_000;

/** What was in use between two readings; nothing where the counter began anew, as that of a VEE that was restarted does. */
export function usageBetween(before: Counters, after: Counters, millis: number): Usage | undefined {
  const micros = after.cpuMicros - before.cpuMicros;
  if (millis <= 0 || micros < 0) return undefined;
  const usage = { cpuMillis: micros / millis, memoryMiB: after.memoryMiB };
  return isUsable(usage) ? usage : undefined;
}

/** Can it be told? What no machine uses is a fault of whoever has measured it. */
export const isUsable = (usage: Usage): boolean =>
  [usage.cpuMillis, usage.memoryMiB].every((n) => n >= 0 && Number.isSafeInteger(Math.round(n)));

/** That part of what one asks for which what is measured of it stands for: the rest of it counts as if it were in use beside that. */
export function accountedFor(need: Usage, used: Usage, ageMillis: number): Usage {
  const young = Math.max(0, 1 - ageMillis / YOUNG_MILLIS);
  const of = (key: keyof Usage) => need[key] - Math.max(0, young * need[key] - used[key]);
  return { cpuMillis: of('cpuMillis'), memoryMiB: of('memoryMiB') };
}

/**
 * What counts as in use of a host, in shares of the capacity that it gives out: where that is more than it has (`physical`), one
 * that is busy through and through is full. What is reserved and not measured yet counts as if it used all it asks for, or
 * one decision after the other would take the same host.
 */
export function countedLoad(
  load: HostLoad,
  reserved: Usage,
  capacity: Usage,
  physical: Usage = capacity,
): Usage {
  const of = (key: keyof Usage) => {
    const unmeasured = load.accounted ? Math.max(0, reserved[key] - load.accounted[key]) : 0;
    return load[key] * timesGiven(key, capacity, physical) + unmeasured;
  };
  return { cpuMillis: of('cpuMillis'), memoryMiB: of('memoryMiB') };
}

const timesGiven = (key: keyof Usage, capacity: Usage, physical: Usage): number =>
  physical[key] > 0 ? capacity[key] / physical[key] : 1;

/** What was in use for some time now, of which `latest` was in use for the last `millis`. */
export function smoothed(earlier: Usage | undefined, latest: Usage, millis: number): Usage {
  if (!earlier) return latest;
  const kept = 0.5 ** (millis / HALF_LIFE_MILLIS);
  // Memory doesn't come and go as processor time does.
  return {
    cpuMillis: kept * earlier.cpuMillis + (1 - kept) * latest.cpuMillis,
    memoryMiB: latest.memoryMiB,
  };
}

/** What is told of a host: what was told before, as long as it is nearly so. Whole numbers. */
export function told(before: Usage | undefined, now: Usage, capacity: Usage): Usage {
  const near = (key: keyof Usage) =>
    before !== undefined && Math.abs(before[key] - now[key]) < STEP * capacity[key];
  return before && near('cpuMillis') && near('memoryMiB') ? before : rounded(now);
}

/** What is asked for, as if so much of its CPU and memory (`part`, from 0 to 1) were what is measured. */
export function blended(asked: Capacity, used: Usage | undefined, part: number): Capacity {
  if (!used || part <= 0) return asked;
  const share = Math.min(1, part);
  const mixed = (key: keyof Usage) => (1 - share) * asked[key] + share * used[key];
  return { ...asked, cpuMillis: mixed('cpuMillis'), memoryMiB: mixed('memoryMiB') };
}

export const rounded = ({ cpuMillis, memoryMiB }: Usage): Usage => ({
  cpuMillis: Math.round(cpuMillis),
  memoryMiB: Math.round(memoryMiB),
});
