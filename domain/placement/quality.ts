import { isInUse } from '../cost/hosting';
import { add, dominantShare, sum, withoutDevices } from '../units';
import { goalOf } from './built-in-policies';
import { problemFor } from './by-search';
import { unitsOf } from './feasibility';
import type { Assignment, PlacementRequest, Snapshot } from './model';
import { lowerBound } from './optimize/bound';
import type { PolicyData } from './policy';

/** How good a plan is known to be by what its policy works towards. */
export interface PlanQuality {
  /** What `cost` and `bound` are. */
  readonly counts: 'hosts that come into use' | 'load of the fullest host';
  readonly cost: number;
  /** No placement has less. */
  readonly bound: number;
  /** By what share of its cost the best of all placements could be less. */
  readonly gap: number;
}

/** So many pairs of a unit and a host are judged for it. */
const MOST_PAIRS = 50_000;

/**
 * Held against a bound that leaves rules between VEEs out, and lets hosts be open in part: so the true gap may be less.
 * @returns undefined for policies that work towards neither few hosts nor even ones, for what moves, and in large cases
 */
export function qualityOf(
  snapshot: Snapshot,
  request: PlacementRequest,
  assignments: readonly Assignment[],
  policy: PolicyData,
): PlanQuality | undefined {
  const goal = goalOf(policy);
  const units = unitsOf(request);
  const { hosts } = snapshot;
  if (goal !== 'few-hosts' && goal !== 'even') return undefined;
  if (units.length === 0 || units.length * hosts.length > MOST_PAIRS) return undefined;
  if (request.vees.some((v) => v.moving)) return undefined;
  const problem = problemFor(snapshot, request, units);
  if (goal === 'few-hosts') {
    const taken = new Set(assignments.map((a) => a.hostId));
    const idle = hosts.map((h) => !isInUse(h.reserved));
    const cost = hosts.filter((h, i) => idle[i] && taken.has(h.id)).length;
    const least = lowerBound({ ...problem, openCost: Float64Array.from(idle, (is) => (is ? 1 : 0)) });
    return qualified('hosts that come into use', cost, Math.ceil(least - 1e-6));
  }
  const may = (unit: number, host: number) => problem.allowed[unit * hosts.length + host] === 1;
  const open = [...hosts.keys()].filter((h) => units.some((_, u) => may(u, h)));
  const needOf = new Map(request.vees.map((v) => [v.id, v.need]));
  const loadWith = (host: number, more: readonly (typeof units)[number]['need'][]) => {
    const { capacity, reserved } = hosts[host] as (typeof hosts)[number];
    return dominantShare(withoutDevices(add(reserved, sum(more))), capacity);
  };
  const then = open.map((h) =>
    loadWith(
      h,
      assignments.flatMap((a) => (a.hostId === hosts[h]?.id ? (needOf.get(a.veeId) ?? []) : [])),
    ),
  );
  const alone = units.map((unit, u) =>
    Math.min(...open.filter((h) => may(u, h)).map((h) => loadWith(h, [unit.need]))),
  );
  const all = open.flatMap((h) => hosts[h] ?? []);
  const mean = dominantShare(
    withoutDevices(sum([...all.map((h) => h.reserved), ...units.map((u) => u.need)])),
    sum(all.map((h) => h.capacity)),
  );
  const bound = Math.max(mean, ...open.map((h) => loadWith(h, [])), ...alone);
  return qualified('load of the fullest host', Math.max(...then), bound);
}

function qualified(counts: PlanQuality['counts'], cost: number, bound: number): PlanQuality {
  // Sums in another order differ in their last digits.
  const least = Math.min(cost, bound);
  return { counts, cost, bound: least, gap: cost <= 0 ? 0 : (cost - least) / cost };
}
