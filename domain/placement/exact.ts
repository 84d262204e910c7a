import solver from 'javascript-lp-solver';
import type { HostId } from '../ids';
import { amountOf, dimensionsOf, sum } from '../units';
import { bound, conflict, isCounted, mostTogether, placeFor } from './constraints';
import { Board, type Unit } from './feasibility';
import { bookOf, placeOf } from './licences';
import type { Constraint, PlacementRequest, Snapshot, SnapshotHost } from './model';

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
  const pairs: { readonly u: number; readonly unit: Unit; readonly host: SnapshotHost }[] = [];
  for (const [u, unit] of units.entries()) {
    for (const host of board.hosts)
      if (board.refusals(unit, host).length === 0) pairs.push({ u, unit, host });
    // What is too large anyway needs not be counted to its end.
    if (pairs.length > MAX_BINARIES) return { kind: 'unknown' };
  }
  const placeable = new Set(pairs.map((p) => p.u));
  if (placeable.size < units.length) return { kind: 'none' };
  const perHost = licencesByHost(snapshot, units, pairs);
  if (pairs.length + perHost.reduce((n, r) => n + r.hosts.size, 0) > MAX_BINARIES) return { kind: 'unknown' };

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

  for (const { licence, free, hosts } of perHost) {
    model.constraints[`licence:${licence}`] = { max: free };
    for (const [hostId, takers] of hosts) {
      const holds = `holds:${licence}:${hostId}`;
      model.variables[holds] = { cost: 0, [`licence:${licence}`]: 1, [`binary:${holds}`]: 1 };
      model.constraints[`binary:${holds}`] = { max: 1 };
      model.ints[holds] = 1;
      for (const u of takers) {
        const row = `needs:${licence}:${u}:${hostId}`;
        model.constraints[row] = { max: 0 };
        Object.assign(model.variables[holds] ?? {}, { [row]: -1 });
        Object.assign(model.variables[`x:${u}:${hostId}`] ?? {}, { [row]: 1 });
      }
    }
  }

  const answer = solver.Solve(model) as Record<string, unknown>;
  if (answer.feasible !== true) return { kind: 'none' };
  const hostOfUnit = units.map(
    (_, u) => pairs.find((p) => p.u === u && answer[`x:${u}:${p.host.id}`] === 1)?.host.id,
  );
  return hostOfUnit.every((h) => h !== undefined) ? { kind: 'placed', hostOfUnit } : { kind: 'unknown' };
}

interface PerHostLicence {
  readonly licence: string;
  readonly free: number;
  /** Those that have none yet, with the units that would take one there. */
  readonly hosts: ReadonlyMap<HostId, readonly number[]>;
}

/** Licences that hosts take: of others it does not matter where a VEE goes. */
function licencesByHost(
  snapshot: Snapshot,
  units: readonly Unit[],
  pairs: readonly { readonly u: number; readonly host: { readonly id: HostId } }[],
): PerHostLicence[] {
  const book = bookOf(snapshot);
  return (snapshot.licences?.pools ?? []).flatMap(({ name, count, per }) => {
    const takes = (u: number) => units[u]?.vees.find((v) => v.licences?.includes(name));
    const hosts = new Map<HostId, number[]>();
    for (const { u, host } of per === 'host' ? pairs : []) {
      const taker = takes(u);
      if (!taker || book.needed(name, placeOf(taker, host.id)) === 0) continue;
      hosts.set(host.id, [...(hosts.get(host.id) ?? []), u]);
    }
    return hosts.size === 0 ? [] : [{ licence: name, free: count - book.used(name), hosts }];
  });
}

const clashes = (request: PlacementRequest, a: Unit, b: Unit): Constraint[] =>
  request.constraints.filter((c) => a.vees.some((x) => b.vees.some((y) => conflict(c, x, y))));

/** Must these two be in one zone? What must be on one host is one unit. */
const tied = (request: PlacementRequest, a: Unit, b: Unit): boolean =>
  request.constraints.some((c) => a.vees.some((x) => b.vees.some((y) => bound(c, x, y))));
