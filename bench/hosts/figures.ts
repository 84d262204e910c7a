/** One migration: from its beginning until nothing is left of the source, and how long the guest stood still in it. */
export interface Move {
  readonly totalMillis: number;
  readonly stillMillis: number;
}

export function median(all: readonly number[]): number {
  const sorted = [...all].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

export interface Row {
  readonly what: string;
  readonly rival: number;
  readonly sluice: number;
  /** So many times the rival's is allowed. */
  readonly goal: number;
}

export const rowOf = (
  what: string,
  rival: readonly number[],
  sluice: readonly number[],
  goal: number,
): Row => ({
  ...{ what, rival: median(rival), sluice: median(sluice), goal },
});
