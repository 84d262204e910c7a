import { DIMENSIONS } from '../units';
import type { ExactAnswer } from './exact';
import { Board, type Unit } from './feasibility';
import type { PlacementRequest, Snapshot } from './model';
import { lowerBound } from './optimize/bound';
import { NOWHERE, type Problem } from './optimize/problem';
import { rulesOf } from './optimize/rules';
import { search } from './optimize/search';

/** A step looks at each host some ten times. Where there is no room all of it is for nothing, and plans are asked often. */
const MOST_LOOKS = 2_000_000;
const STEPS_A_UNIT = 40;
/** So many pairs of a unit and a host are judged one by one before it begins. */
const MOST_PAIRS = 200_000;

/**
 * Finds some placement of all units by a search that may miss one. The caller checks it before use, as its rules know
 * nothing of what is on its way from one place to another.
 */
export function solveBySearch(
  snapshot: Snapshot,
  request: PlacementRequest,
  units: readonly Unit[],
  seed: string,
): ExactAnswer {
  const { hosts } = snapshot;
  // One alone has been tried on every host.
  if (units.length < 2 || units.length * hosts.length > MOST_PAIRS) return { kind: 'unknown' };
  const board = new Board(snapshot, request);
  const dimensions = DIMENSIONS.length;
  const moving = new Set(request.vees.map((v) => v.id));
  const problem: Problem = {
    items: units.length,
    hosts: hosts.length,
    dimensions,
    need: Float64Array.from(units.flatMap((u) => DIMENSIONS.map((d) => u.need[d]))),
    free: Float64Array.from(hosts.flatMap((h) => DIMENSIONS.map((d) => board.freeOn(h)[d]))),
    start: new Int32Array(units.length).fill(NOWHERE),
    moves: new Int32Array(units.length),
    moveCost: new Float64Array(units.length),
    openCost: new Float64Array(hosts.length),
    // What stands against a unit alone stands against it whatever becomes of the others.
    allowed: Uint8Array.from(
      units.flatMap((u) => hosts.map((h) => (board.refusals(u, h).length === 0 ? 1 : 0))),
    ),
    rules: rulesOf({
      constraints: request.constraints,
      items: units.map((u) => u.vees),
      staying: snapshot.vees.filter((v) => !moving.has(v.id)),
      hosts,
      allHosts: hosts,
    }),
    mostMoves: Infinity,
  };
  if (lowerBound(problem) === Infinity) return { kind: 'unknown' };
  const steps = Math.min(
    STEPS_A_UNIT * units.length,
    Math.floor(MOST_LOOKS / Math.max(1, 10 * hosts.length)),
  );
  const { placement } = search(problem, seed, { steps, bound: 0 });
  if (!placement) return { kind: 'unknown' };
  const hostOfUnit = Array.from(placement, (h) => hosts[h]?.id);
  return hostOfUnit.every((id) => id !== undefined) ? { kind: 'placed', hostOfUnit } : { kind: 'unknown' };
}
