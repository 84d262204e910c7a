import { loadsOf, type PackingProblem } from './problem';

export interface FewestHosts {
  /** What a linear program that may cut items into pieces gets by with: not a whole number. Ratios are told against it. */
  readonly exact: number;
  /** No packing has fewer hosts. */
  readonly hosts: number;
}

/**
 * The scarcest dimension filled to the brim, and at least one host for any item. The linear program of which items are on
 * which hosts, in part, has no better answer: an equal part of each item on each host reaches it. Beside it counts how many
 * are so large that few of them go on one host.
 */
export function fewestHosts(problem: PackingProblem): FewestHosts {
  const exact = Math.max(0, ...loadsOf(problem));
  // A load is a quotient of whole numbers, rounded once: what is a whole number but for that counts as one.
  const byLoad = Math.ceil(exact * (1 - 1e-12));
  return { exact, hosts: Math.max(byLoad, bySize(problem), problem.items > 0 ? 1 : 0) };
}

const LARGEST_PARTS = [2, 3, 4, 5] as const;

/** Of those that need more than an n-th of a host in some dimension a host takes n - 1 at most. */
function bySize({ items, dimensions, need, capacity }: PackingProblem): number {
  let most = 0;
  for (let d = 0; d < dimensions; d++)
    for (const parts of LARGEST_PARTS) {
      let large = 0;
      for (let item = 0; item < items; item++)
        if ((need[item * dimensions + d] as number) * parts > (capacity[d] as number)) large++;
      most = Math.max(most, Math.ceil(large / (parts - 1)));
    }
  return most;
}
