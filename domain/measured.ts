import type { Capacity } from './units';

/** What is really in use, as it was measured: CPU in thousandths of a core over the last half minute or so, memory in MiB. */
export interface Usage {
  readonly cpuMillis: number;
  readonly memoryMiB: number;
}

/** What can be read at a moment: the processor time that was taken so far, in microseconds, and memory in MiB. */
export interface Counters {
  readonly cpuMicros: number;
  readonly memoryMiB: number;
}

/** After so long what was measured before counts for half. */
const HALF_LIFE_MILLIS = 15_000;
/** A change of less than this share of a host is none: everybody who follows a site would hear of it. */
const STEP = 0.02;

/** What was in use between two readings; nothing where the counter began anew, as that of a VEE that was restarted does. */
export function usageBetween(before: Counters, after: Counters, millis: number): Usage | undefined {
  const micros = after.cpuMicros - before.cpuMicros;
  if (millis <= 0 || micros < 0) return undefined;
  return { cpuMillis: micros / millis, memoryMiB: after.memoryMiB };
}

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
