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

/** A whole number from 0, below this. */
export function pick(below: number, random: () => number): number {
  return Math.floor(random() * below);
}

export function shuffled(items: readonly number[], random: () => number): number[] {
  const result = items.slice();
  for (let i = result.length - 1; i > 0; i--) {
    const j = pick(i + 1, random);
    [result[i], result[j]] = [result[j] as number, result[i] as number];
  }
  return result;
}
