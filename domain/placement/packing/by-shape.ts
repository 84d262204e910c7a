import { bestPatterns, type UsedPattern } from './columns';
import { filled } from './fill';
import type { PackingProblem } from './problem';
import type { Shapes } from './shapes';

/** A pattern that is used in part is used once more from such a part on: which is best, trying tells. */
const ROUND_UP_FROM = [1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1];
/** What is left is little, and worth care. */
const THOROUGHNESS = { looks: 30_000, lastOnes: 2.1 };

/**
 * Packs by patterns: as often as the linear program uses them, rounded down, and some of them once more; what is left then,
 * no more than some hosts for each few shapes, is filled in item by item.
 * @param least no answer has fewer hosts
 * @param isOver of such a share of the time: when no more is to be tried: the first answer is given in any case
 */
export function packedByShape(
  problem: PackingProblem,
  shapes: Shapes,
  seed: string,
  least: number,
  isOver: (share: number) => boolean,
): number[][] {
  const patterns = bestPatterns(shapes, least, () => isOver(0.6));
  let best: number[][] | undefined;
  for (const from of ROUND_UP_FROM) {
    if (best && (best.length <= least || isOver(0.9))) break;
    const { hosts, rest } = rounded(shapes, patterns, from);
    const more = filled(problem, rest, `${seed}/${from}`, THOROUGHNESS) ?? [];
    if (!best || hosts.length + more.length < best.length) best = [...hosts, ...more];
  }
  return best ?? [];
}

/** @param from the part of a host from which a pattern is used once more, where there are still items for it */
function rounded(
  { count, itemsOf }: Shapes,
  patterns: readonly UsedPattern[],
  from: number,
): { readonly hosts: number[][]; readonly rest: Int32Array } {
  const left = count.slice();
  const hosts: number[][] = [];
  const host = ({ pattern }: UsedPattern) => {
    if (pattern.some((many, shape) => many > (left[shape] as number))) return;
    hosts.push(
      [...pattern].flatMap((many, shape) => {
        const end = left[shape] as number;
        left[shape] = end - many;
        return (itemsOf[shape] ?? []).slice(end - many, end);
      }),
    );
  };
  const whole = ({ times }: UsedPattern) => Math.floor(times + 1e-6);
  const part = (used: UsedPattern) => used.times - whole(used);
  for (const used of patterns) for (let n = whole(used); n > 0; n--) host(used);
  const once = patterns.filter((used) => part(used) >= from).sort((a, b) => part(b) - part(a));
  for (const used of once) host(used);
  return { hosts, rest: Int32Array.from(itemsOf.flatMap((items, shape) => items.slice(0, left[shape]))) };
}
