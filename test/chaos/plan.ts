import { Random } from './random';

/**
 * One thing to do, decided by the seed alone. Its subjects are numbers that are taken modulo whatever exists when
 * it is done, so that a list of which some are left out still means something.
 */
export interface Step {
  readonly index: number;
  readonly kind: string;
  readonly picks: readonly number[];
  /** How long to wait after it. */
  readonly pauseMillis: number;
}

interface Weighted {
  readonly name: string;
  readonly weight: number;
}

const PICKS = 4;
/** So many of the first kind of all to begin with: on an empty site nothing else can be done. */
const OPENING = 6;
const MOST_PAUSE_MILLIS = 60;

/** The plan of a run: nothing but the seed, the count and the table of kinds goes into it. */
export function planSteps(seed: number, count: number, kinds: readonly Weighted[]): Step[] {
  const random = new Random(seed);
  const total = kinds.reduce((sum, k) => sum + k.weight, 0);
  return Array.from({ length: count }, (_, index) => ({
    index,
    kind: choose(kinds, index < OPENING ? 0 : random.below(total)),
    picks: Array.from({ length: PICKS }, () => random.next()),
    pauseMillis: random.below(MOST_PAUSE_MILLIS),
  }));
}

function choose(kinds: readonly Weighted[], at: number): string {
  let left = at;
  for (const { name, weight } of kinds) {
    if (left < weight) return name;
    left -= weight;
  }
  throw new Error('the weights do not add up');
}
