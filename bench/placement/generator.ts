import { NOWHERE, type Problem, type Rule } from '../../domain/placement/optimize/problem';
import { randomFrom } from '../../domain/placement/optimize/random';

const DIMENSIONS = 2;

/**
 * The problem of `../shared/notes/solvers.md`: some VEEs on some hosts, 55 % of the capacity in use in two dimensions, every
 * third VEE one of a trio that must be on three hosts; ten for each host in use, one for each VEE that moves.
 */
export function consolidation(items: number, hosts: number, seed: string): Problem {
  const random = randomFrom(`${seed}/${items}x${hosts}`);
  const free = new Float64Array(hosts * DIMENSIONS).fill(1_000);
  const need = new Float64Array(items * DIMENSIONS);
  for (let d = 0; d < DIMENSIONS; d++) {
    const raw = Array.from({ length: items }, () => 0.2 + random());
    const total = raw.reduce((a, b) => a + b, 0);
    const scale = (0.55 * hosts * 1_000) / total;
    for (const [i, r] of raw.entries()) need[i * DIMENSIONS + d] = Math.min(900, Math.round(r * scale));
  }
  const rules = Array.from({ length: Math.floor(items / 9) }, (_, t) =>
    apart([9 * t, 9 * t + 1, 9 * t + 2], hosts),
  );
  const problem = { items, hosts, dimensions: DIMENSIONS, need, free, rules };
  return {
    ...problem,
    start: scattered(problem, random),
    moveCost: new Float64Array(items).fill(1),
    openCost: new Float64Array(hosts).fill(10),
    allowed: new Uint8Array(items * hosts).fill(1),
    mostMoves: Infinity,
    moves: new Int32Array(items).fill(1),
  };
}

function apart(items: readonly number[], hosts: number): Rule {
  return {
    kind: 'at-most',
    most: 1,
    items: Int32Array.from(items),
    counts: new Int32Array(items.length).fill(1),
    colours: new Int32Array(items.length),
    colourCount: 1,
    placeOf: Int32Array.from({ length: hosts }, (_, h) => h),
    places: hosts,
    resident: new Int32Array(hosts),
  };
}

/** Each where it is free, at random, the large ones first: how a site looks that nobody has tidied. */
function scattered(
  { items, hosts, need, free, rules }: Pick<Problem, 'items' | 'hosts' | 'need' | 'free' | 'rules'>,
  random: () => number,
): Int32Array {
  const start = new Int32Array(items).fill(NOWHERE);
  const left = free.slice();
  const largest = (i: number) => Math.max(need[i * DIMENSIONS] ?? 0, need[i * DIMENSIONS + 1] ?? 0);
  for (const item of [...start.keys()].sort((a, b) => largest(b) - largest(a))) {
    const mates = rules.filter((r) => r.items.includes(item)).flatMap((r) => [...r.items]);
    const taken = new Set(mates.map((m) => start[m]));
    const open = Array.from({ length: hosts }, (_, h) => h).filter(
      (h) =>
        !taken.has(h) &&
        [0, 1].every((d) => (need[item * DIMENSIONS + d] ?? 0) <= (left[h * DIMENSIONS + d] ?? 0)),
    );
    const host = open[Math.floor(random() * open.length)];
    if (host === undefined) throw new Error(`no host has room for VEE ${item}: try another seed`);
    start[item] = host;
    for (let d = 0; d < DIMENSIONS; d++)
      left[host * DIMENSIONS + d] = (left[host * DIMENSIONS + d] ?? 0) - (need[item * DIMENSIONS + d] ?? 0);
  }
  return start;
}
