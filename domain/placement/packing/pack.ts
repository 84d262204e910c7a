import { fewestHosts } from './bound';
import { packedByShape } from './by-shape';
import { filled } from './fill';
import { checked, type Packing, type PackingProblem } from './problem';
import { shapesOf } from './shapes';

/** How long packing goes on. */
export interface Effort {
  /** So many times all is filled anew, ever more thoroughly, at most. */
  readonly fillings?: number;
  /** How much of the time is over, from 0 to 1. The first answer takes as long as it takes. */
  readonly progress?: () => number;
}

/** With more shapes than this, patterns take longer to find than they save. */
const MOST_SHAPES = 100;
/** How many items there are for a pattern to be used again and again. */
const ITEMS_OF_A_SHAPE = 4;
/** So near the bound another filling is not worth its time. */
const NEAR = 1.003;
const FILLINGS = 3;
const LOOKS = 8_000;
/** So many of mean size a host has room for when it takes its last ones: what is best differs between problems. */
const LAST_ONES = [2.1, 1, 2.6] as const;

/**
 * Packs on as few hosts as it finds: by patterns where there are few shapes, and by filling host after host. Ends early
 * where no fewer are possible, or hardly. The same problem, seed and number of fillings give the same answer, except under a
 * deadline.
 * @throws {TooLarge} when an item is larger than a host
 */
export function pack(problem: PackingProblem, seed: string, effort: Effort = {}): Packing {
  const { items } = checked(problem);
  const { fillings = FILLINGS, progress = () => 0 } = effort;
  const { exact, hosts: least } = fewestHosts(problem);
  const enough = Math.max(least, Math.floor(exact * NEAR));
  const shapes = shapesOf(problem, Math.min(MOST_SHAPES, Math.ceil(items / ITEMS_OF_A_SHAPE)));
  let best = shapes && packedByShape(problem, shapes, seed, least, (share) => progress() >= share);
  const all = Int32Array.from({ length: items }, (_, item) => item);
  let took = 0;
  for (let n = 0; n < fillings && (best?.length ?? Infinity) > enough; n++) {
    const began = progress();
    // One that takes as long as the one before it, and would be too late, is not begun.
    if (best && (began + took > 1 || began >= 1)) break;
    const thoroughness = { looks: LOOKS * 2 ** n, lastOnes: LAST_ONES[n % LAST_ONES.length] ?? 0 };
    const isOver = () => best !== undefined && progress() >= 1;
    const found = filled(problem, all, `${seed}/${n}`, thoroughness, isOver);
    if (found && found.length < (best?.length ?? Infinity)) best = found;
    took = progress() - began;
  }
  return asPacking(items, best ?? []);
}

function asPacking(items: number, hosts: readonly (readonly number[])[]): Packing {
  const hostOf = new Int32Array(items).fill(-1);
  for (const [host, there] of hosts.entries()) for (const item of there) hostOf[item] = host;
  return { hostOf, hosts: hosts.length };
}
