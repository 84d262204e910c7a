import solver from 'javascript-lp-solver';
import type { HostId } from '../ids';
import { amountOf, dimensionsOf, sum } from '../units';
import { bound, conflict, isCounted, mostTogether, placeFor } from './constraints';
import { Board, type Unit } from './feasibility';
import type { Constraint, PlacementRequest, Snapshot } from './model';

/**
 * Above this many binaries branch and bound may run long, and the solver's own time limit can't be
 * trusted: when it strikes, fractional answers come back as feasible (shared notes, `solvers.md`). So the
 * size bounds the work and no time limit is set, which also keeps the function pure.
 */
export const MAX_BINARIES = 60;

export type ExactAnswer =
  | { readonly kind: 'placed'; readonly hostOfUnit: readonly HostId[] }
  /** There is no placement. */
  | { readonly kind: 'none' }
  /** Too large to be asked, or the answer was not a placement. */
  | { readonly kind: 'unknown' };

/** Finds any legal placement of all units, by 0/1 programming. The caller checks it before use. */
export function solveExactly(
  snapshot: Snapshot,
  request: PlacementRequest,
  units: readonly Unit[],
): ExactAnswer {
  const board = new Board(snapshot, request);
  // Only pairs that the unit alone could use; standing refusals and conflicts with what runs are out.
  const pairs = units.flatMap((unit, u) =>
    board.hosts.filter((h) => board.refusals(unit, h).length === 0).map((host) => ({ u, unit, host })),
  );
  const placeable = new Set(pairs.map((p) => p.u));
  if (placeable.size < units.length) return { kind: 'none' };
  if (pairs.length > MAX_BINARIES) return { kind: 'unknown' };

  // Rows that can't bind are left out: with them the solver has called feasible problems infeasible.
  const binding = new Map(
    board.hosts.map((host) => {
      const most = sum(pairs.filter((p) => p.host.id === host.id).map((p) => p.unit.need));
      return [host.id, dimensionsOf(most).filter((d) => amountOf(most, d) > amountOf(board.freeOn(host), d))];
    }),
  );
  const model = {
    optimize: 'cost',
    opType: 'min' as const,
    constraints: {} as Record<string, { equal?: number; max?: number }>,
    variables: {} as Record<string, Record<string, number>>,
    ints: {} as Record<string, 1>,
  };
  units.forEach((_, u) => {
    model.constraints[`once:${u}`] = { equal: 1 };
  });
  for (const { u, unit, host } of pairs) {
    const column: Record<string, number> = { cost: 1, [`once:${u}`]: 1, [`binary:${u}:${host.id}`]: 1 };
    model.constraints[`binary:${u}:${host.id}`] = { max: 1 };
    for (const d of binding.get(host.id) ?? []) {
      column[`${d}:${host.id}`] = amountOf(unit.need, d);
      model.constraints[`${d}:${host.id}`] = { max: amountOf(board.freeOn(host), d) };
    }
    for (const [n, c] of request.constraints.entries()) {
      const counted = unit.vees.filter((vee) => isCounted(c, vee)).length;
      if (counted === 0) continue;
      const row = `most:${n}:${placeFor(c, host)}`;
      column[row] = counted;
      model.constraints[row] = { max: (mostTogether(c) ?? 1) - board.staying(c, host) };
    }
    for (const [v, other] of units.entries()) {
      if (v === u) continue;
      const [first, second] = [Math.min(u, v), Math.max(u, v)];
      for (const c of clashes(request, unit, other)) {
        const row = `apart:${first}:${second}:${placeFor(c, host)}`;
        column[row] = 1;
        model.constraints[row] = { max: 1 };
      }
      if (!tied(request, unit, other)) continue;
      const row = `together:${first}:${second}:${host.zone}`;
      column[row] = u === first ? 1 : -1;
      model.constraints[row] = { equal: 0 };
    }
    model.variables[`x:${u}:${host.id}`] = column;
    model.ints[`x:${u}:${host.id}`] = 1;
  }

  const answer = solver.Solve(model) as Record<string, unknown>;
  if (answer.feasible !== true) return { kind: 'none' };
  const hostOfUnit = units.map(
    (_, u) => pairs.find((p) => p.u === u && answer[`x:${u}:${p.host.id}`] === 1)?.host.id,
  );
  return hostOfUnit.every((h) => h !== undefined) ? { kind: 'placed', hostOfUnit } : { kind: 'unknown' };
}

const clashes = (request: PlacementRequest, a: Unit, b: Unit): Constraint[] =>
  request.constraints.filter((c) => a.vees.some((x) => b.vees.some((y) => conflict(c, x, y))));

/** Must these two be in one zone? What must be on one host is one unit. */
const tied = (request: PlacementRequest, a: Unit, b: Unit): boolean =>
  request.constraints.some((c) => a.vees.some((x) => b.vees.some((y) => bound(c, x, y))));
