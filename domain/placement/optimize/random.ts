import { stableHash } from '../stable-hash';

/** Numbers that follow from a seed, in [0, 1). Mulberry32: fast and even enough for a search, not for secrets. */
export function randomFrom(seed: string): () => number {
  let state = stableHash(seed);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
