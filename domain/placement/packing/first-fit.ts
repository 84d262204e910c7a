import { loadsOf, type Packing, type PackingProblem, TooLarge } from './problem';

/** Of the hosts that were begun last so many are looked at: there may be a hundred thousand. */
const MOST_OPEN = 200;

/**
 * Largest first, each on the first host that has room (first-fit decreasing): for more kinds of capacity than `pack` looks at. By
 * size an item is what it takes of a host, each kind weighted by how scarce it is.
 * @throws {TooLarge} when an item is larger than a host
 */
export function firstFit(problem: PackingProblem): Packing {
  const { items, dimensions, need, capacity } = problem;
  const scarce = loadsOf(problem);
  const size = new Float64Array(items);
  for (let item = 0; item < items; item++)
    for (let d = 0; d < dimensions; d++) {
      const [needed, has] = [need[item * dimensions + d] as number, capacity[d] as number];
      if (needed > has) throw new TooLarge(item, d, needed, has);
      if (needed > 0) size[item] = (size[item] as number) + ((scarce[d] as number) * needed) / has;
    }
  const order = [...size.keys()].sort((a, b) => (size[b] as number) - (size[a] as number) || a - b);
  const hostOf = new Int32Array(items).fill(-1);
  const left: Float64Array[] = [];
  for (const item of order) {
    const fits = (room: Float64Array) =>
      room.every((free, d) => free >= (need[item * dimensions + d] as number));
    let host = Math.max(0, left.length - MOST_OPEN);
    while (host < left.length && !fits(left[host] as Float64Array)) host++;
    if (host === left.length) left.push(capacity.slice());
    const room = left[host] as Float64Array;
    for (let d = 0; d < dimensions; d++)
      room[d] = (room[d] as number) - (need[item * dimensions + d] as number);
    hostOf[item] = host;
  }
  return { hostOf, hosts: left.length };
}
