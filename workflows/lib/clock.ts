/** Temporal replays this with the recorded time, so it is as deterministic as the history itself. */
export const now = (): number => Date.now();
