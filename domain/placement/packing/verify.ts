import type { Packing, PackingProblem } from './problem';

/**
 * Every way in which a packing is not one, in words; empty when it is. Each figure of a benchmark passes here before it is
 * believed, so this knows none of those that pack, nor their data: it counts anew.
 */
export function faultsOfPacking(problem: PackingProblem, { hostOf, hosts }: Packing): string[] {
  const { items, dimensions, need, capacity } = problem;
  if (hostOf.length !== items) return [`${hostOf.length} items are packed, ${items} were asked for`];
  const faults: string[] = [];
  const used = new Float64Array(hosts * dimensions);
  const taken = new Uint8Array(hosts);
  for (const [item, host] of hostOf.entries()) {
    if (!(host >= 0 && host < hosts)) {
      faults.push(`item ${item} is on host ${host}, of ${hosts}`);
      continue;
    }
    taken[host] = 1;
    for (let d = 0; d < dimensions; d++)
      used[host * dimensions + d] = (used[host * dimensions + d] ?? 0) + (need[item * dimensions + d] ?? 0);
  }
  for (const [host, any] of taken.entries()) if (any === 0) faults.push(`nothing is on host ${host}`);
  for (const [cell, amount] of used.entries()) {
    const has = capacity[cell % dimensions] ?? 0;
    if (amount > has)
      faults.push(
        `host ${Math.floor(cell / dimensions)} has ${has} in dimension ${cell % dimensions}, ${amount} is used`,
      );
  }
  return faults;
}
