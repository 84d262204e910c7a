import type { VeeId } from '../ids';
import type { UpdatePolicy } from '../manifest/policies';

/**
 * A step of a re-composition. Within a wave: sizes first, then the place of one, then what is new, and when that is
 * ready, what goes.
 */
export interface Wave {
  readonly resizes: readonly VeeId[];
  /** One at a time: the next has to see where this one went. */
  readonly move?: VeeId;
  readonly creates: readonly { readonly component: string; readonly index: number }[];
  readonly destroys: readonly VeeId[];
}

interface Leaving {
  readonly veeId: VeeId;
  readonly index: number;
}

/** What one component has and what it is to have. */
export interface ComponentChange {
  readonly component: string;
  /** How many there are, and how many there are to be. */
  readonly members: number;
  readonly wanted: number;
  readonly resizes: readonly VeeId[];
  readonly moves: readonly VeeId[];
  readonly leaving: readonly Leaving[];
  readonly coming: number;
  /** Recorded, never started, and no members: they only go. */
  readonly stillborn: readonly Leaving[];
  /** Places in the array that are in use. */
  readonly taken: readonly number[];
  readonly policy: UpdatePolicy;
}

/**
 * The waves of one component. Its promise, at every moment of every wave: at most `maxUnavailable` fewer than the
 * smaller of the old count and the new one serve, and at most `maxSurge` more than the larger of the two are there.
 */
export function componentWaves(change: ComponentChange): Wave[] {
  const waves = [...resizing(change), ...rolling(change)];
  const destroys = change.stillborn.map((v) => v.veeId);
  if (destroys.length === 0) return waves;
  const [first = EMPTY_WAVE, ...rest] = waves;
  return [{ ...first, destroys: [...first.destroys, ...destroys] }, ...rest];
}

export const EMPTY_WAVE: Wave = { resizes: [], creates: [], destroys: [] };

/** Resizing what runs costs nobody a member, but what goes wrong with one should not go wrong with all at once. */
function resizing({ resizes, policy }: ComponentChange): Wave[] {
  const width = policy.maxUnavailable + policy.maxSurge;
  const waves: Wave[] = [];
  for (let i = 0; i < resizes.length; i += width)
    waves.push({ ...EMPTY_WAVE, resizes: resizes.slice(i, i + width) });
  return waves;
}

/** Ends, since a policy allows at least a start or an end (well-formedness rule `update-progresses`). */
function rolling({ component, members, wanted, leaving, coming, taken, policy }: ComponentChange): Wave[] {
  const fewest = Math.max(0, Math.min(members, wanted) - policy.maxUnavailable);
  const most = Math.max(members, wanted) + policy.maxSurge;
  const used = new Set(taken);
  const going = [...leaving].sort((a, b) => a.index - b.index);
  const waves: Wave[] = [];
  let [here, toCome] = [members, coming];
  while (toCome > 0 || going.length > 0) {
    const starting = Math.min(toCome, most - here);
    const creates = Array.from({ length: starting }, () => ({ component, index: takeLowest(used) }));
    here += starting;
    toCome -= starting;
    const ending = going.splice(0, Math.max(0, here - fewest));
    here -= ending.length;
    for (const { index } of ending) used.delete(index);
    waves.push({ ...EMPTY_WAVE, creates, destroys: ending.map((v) => v.veeId) });
  }
  return waves;
}

function takeLowest(used: Set<number>): number {
  let index = 0;
  while (used.has(index)) index++;
  used.add(index);
  return index;
}

/** So many events may one operation's history have; Temporal ends a workflow at 51,200. */
export const MOST_EVENTS = 45_000;

/**
 * How many events the history of these waves has at most: done, and then undone from the very end. Measured on
 * simulated hosts: 3.3 an activity where many run side by side, some fifty more for each wave, and 7
 * an activity on the way back, where one follows the other.
 */
export function eventsOf(waves: readonly Wave[]): number {
  let [there, back] = [0, 0];
  for (const { resizes, move, creates, destroys } of waves) {
    there += 1 + resizes.length * 5 + (move ? 9 : 0) + (creates.length > 0 ? 3 + creates.length * 4 : 0);
    there += destroys.length * 4;
    back += resizes.length * 4 + (move ? 9 : 0) + (creates.length > 0 ? 2 + creates.length : 0);
    back += destroys.length * 7;
  }
  return Math.ceil(there * 3.3 + waves.length * 50 + back * 7);
}
