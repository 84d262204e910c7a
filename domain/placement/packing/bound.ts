import { loadsOf, type PackingProblem } from './problem';

export interface FewestHosts {
  /** What a linear program that may cut items into pieces gets by with: not a whole number. Ratios are told against it. */
  readonly exact: number;
  /** No packing has fewer hosts. */
  readonly hosts: number;
}

/**
 * The scarcest dimension filled to the brim, and at least one host for any item. The linear program of which items are on
 * which hosts, in part, has no better answer: an equal part of each item on each host reaches it.
 */
export function fewestHosts(problem: PackingProblem): FewestHosts {
  const exact = Math.max(0, ...loadsOf(problem));
  // A load is a quotient of whole numbers, rounded once: what is a whole number but for that counts as one.
  return { exact, hosts: Math.max(Math.ceil(exact * (1 - 1e-12)), problem.items > 0 ? 1 : 0) };
}
