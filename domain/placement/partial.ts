import type { Blueprint, Infeasible, Meter, PlacementRequest, PlanContext, Snapshot } from './model';
import type { Solve } from './optimize/solver';
import { plan } from './plan';
import type { Policy } from './policy';
import { type LeftOut, type Place, placeSets, setsOf } from './sets';

export interface PartialPlan {
  /** For as many as can be placed; absent when that is none. */
  readonly blueprint?: Blueprint;
  readonly left: readonly LeftOut[];
}

/**
 * Places what can be placed and says of the rest why it can't: for when leaving one where it is beats moving none.
 * VEEs are given up in the order in which the planner fails them, until those that remain all have a place; where the request has
 * sets, so that the most of these have places for all of theirs.
 * @param solve asked first whether all of them have places after all
 */
export function planPartially(
  snapshot: Snapshot,
  request: PlacementRequest,
  policy: Policy,
  context: PlanContext,
  solve?: Solve,
): PartialPlan {
  const all = solve && plan(snapshot, request, policy, context, solve);
  if (all?.kind === 'blueprint') return { blueprint: all, left: [] };
  const sets = request.sets?.length ? setsOf(request.vees, request.sets) : [];
  if (sets.some((s) => s.vees.length > 1)) {
    const meter: Meter = { judgements: 0 };
    const place: Place = (vees, hurried) =>
      plan(snapshot, { ...request, vees }, policy, { ...context, meter, ...(hurried ? { hurried } : {}) });
    return placeSets(snapshot, request, sets, place, meter);
  }
  let wanted = request.vees;
  const left: Infeasible['unplaced'][number][] = [];
  while (wanted.length > 0) {
    const answer = plan(snapshot, { ...request, vees: wanted }, policy, context);
    if (answer.kind === 'blueprint') return { blueprint: answer, left };
    const given = new Set(answer.unplaced.map((u) => u.veeId));
    left.push(...answer.unplaced);
    wanted = wanted.filter((v) => !given.has(v.id));
  }
  return { left };
}
