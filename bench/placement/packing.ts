import { randomFrom } from '../../domain/placement/optimize/random';
import { fewestHosts } from '../../domain/placement/packing/bound';
import { pack } from '../../domain/placement/packing/pack';
import type { Packing, PackingProblem } from '../../domain/placement/packing/problem';
import { faultsOfPacking } from '../../domain/placement/packing/verify';
import { dotProduct, firstFitDecreasing } from './packing-rivals';

/** Of a host: processor in thousandths, memory and disk in MiB, bandwidth in kbit/s. */
const CAPACITY = Float64Array.of(32_000, 131_072, 4_000_000, 10_000_000);
const DIMENSIONS = CAPACITY.length;
/** Of a host, in each dimension. */
const [SMALLEST, LARGEST] = [0.02, 0.2];
const FLAVOURS = 40;

type Family = 'any need' | '40 flavours';

/** How many VEEs, within how many hosts for each that the bound has, after how much processor time. */
const CASES = [
  ['any need', 10_000, 1.01, 1_000],
  ['any need', 100_000, 1.02, 2_000],
  ['40 flavours', 10_000, 1.01, 1_000],
  ['40 flavours', 100_000, 1.02, 2_000],
] as const;
/** Of the time that is allowed: what is left is for what can't be stopped in the middle. */
const PLANNED = 0.9;

const DOT_PRODUCT_UP_TO = 10_000;

/** Each VEE needs 2 to 20 % of a host in each dimension, all of them independent. */
function anyNeed(items: number, random: () => number): Float64Array {
  return Float64Array.from({ length: items * DIMENSIONS }, (_, cell) =>
    Math.round((SMALLEST + (LARGEST - SMALLEST) * random()) * (CAPACITY[cell % DIMENSIONS] ?? 0)),
  );
}

/** Each VEE is of a flavour, which is large or small as a whole: in each dimension half of that to half as much again. */
function flavoured(items: number, random: () => number): Float64Array {
  const flavours = Array.from({ length: FLAVOURS }, () => {
    const size = SMALLEST + (LARGEST - SMALLEST) * random();
    return CAPACITY.map((c) =>
      Math.round(c * Math.min(LARGEST, Math.max(SMALLEST, size * (0.5 + random())))),
    );
  });
  const need = new Float64Array(items * DIMENSIONS);
  for (let item = 0; item < items; item++)
    need.set(flavours[Math.floor(random() * FLAVOURS)] ?? [], item * DIMENSIONS);
  return need;
}

export function packingOf(family: Family, items: number, seed: string): PackingProblem {
  const random = randomFrom(`${seed}/${family}/${items}`);
  const need = family === 'any need' ? anyNeed(items, random) : flavoured(items, random);
  return { items, dimensions: DIMENSIONS, need, capacity: CAPACITY };
}

/** How many hosts for each that the bound has, verified, and how long a processor worked for it. */
function measured(problem: PackingProblem, work: () => Packing): { ratio: number; cpuMillis: number } {
  const before = process.cpuUsage();
  const packing = work();
  const { user, system } = process.cpuUsage(before);
  const [fault] = faultsOfPacking(problem, packing);
  if (fault) throw new Error(`no packing at all: ${fault}`);
  return {
    ratio: packing.hosts / fewestHosts(problem).exact,
    cpuMillis: Math.round((user + system) / 1_000),
  };
}

/** Ours under the deadline that the goal has, against what is commonly done. */
export function packingRows(seeds: readonly string[]): string[][] {
  return CASES.flatMap(([family, items, goal, limitMillis]) =>
    seeds.map((seed) => {
      const problem = packingOf(family, items, seed);
      const firstFit = measured(problem, () => firstFitDecreasing(problem));
      // Quadratic: minutes for a hundred thousand.
      const dots = items > DOT_PRODUCT_UP_TO ? undefined : measured(problem, () => dotProduct(problem));
      const ours = measured(problem, () => {
        const before = process.cpuUsage();
        const progress = () => {
          const { user, system } = process.cpuUsage(before);
          return (user + system) / 1_000 / (limitMillis * PLANNED);
        };
        return pack(problem, seed, { progress });
      });
      return [
        `${items} VEEs, ${family}, seed ${seed}`,
        String(Math.ceil(fewestHosts(problem).exact)),
        ...[firstFit, dots, ours].map((r) => (r ? `${r.ratio.toFixed(4)} in ${r.cpuMillis} ms` : '–')),
        `≤ ${goal} in ${limitMillis} ms`,
        ours.ratio <= goal && ours.cpuMillis <= limitMillis ? 'met' : 'NOT MET',
      ];
    }),
  );
}
