import { amountOf, type Dimension, dimensionsOfAll } from '../units';
import type { ExactAnswer } from './exact';
import { Board, type Unit } from './feasibility';
import type { PlacementRequest, Snapshot, SnapshotHost } from './model';
import { lowerBound } from './optimize/bound';
import { licenceRulesOf } from './optimize/licence-rules';
import { solveAlone } from './optimize/portfolio';
import { NOWHERE, type Problem } from './optimize/problem';
import { rulesOf } from './optimize/rules';
import type { Solve } from './optimize/solver';

/** Where there is no room all of it is for nothing, and plans are asked often: some hundredths of a second. */
const MOST_LOOKS = 2_000_000;
const STEPS_A_UNIT = 40;
/** Of a further search, by those who have asked for one: about a second. */
const MOST_FURTHER_LOOKS = 30_000_000;
/** So many pairs of a unit and a host are judged one by one before it begins. */
const MOST_PAIRS = 200_000;

/** The problem in numbers, without any costs: what stands against a unit alone stands against it whatever becomes of the others. */
export function problemFor(snapshot: Snapshot, request: PlacementRequest, units: readonly Unit[]): Problem {
  const { hosts } = snapshot;
  // How evenly it is spread so far tells nothing of where one may be once others are somewhere, too.
  const board = new Board(snapshot, {
    ...request,
    constraints: request.constraints.filter((c) => c.kind !== 'spread'),
  });
  const dimensions = dimensionsOfAll(units.map((u) => u.need));
  const moving = new Set(request.vees.map((v) => v.id));
  const allowed = Uint8Array.from(
    units.flatMap((u) => hosts.map((h) => (board.refusals(u, h).length === 0 ? 1 : 0))),
  );
  const mayTake = (h: number) => units.some((_, u) => allowed[u * hosts.length + h] === 1);
  const roomIn = (h: number, host: SnapshotHost, d: Dimension) =>
    mayTake(h) ? Math.max(0, amountOf(board.freeOn(host), d)) : 0;
  return {
    items: units.length,
    hosts: hosts.length,
    dimensions: dimensions.length,
    need: Float64Array.from(units.flatMap((u) => dimensions.map((d) => amountOf(u.need, d)))),
    free: Float64Array.from(hosts.flatMap((host, h) => dimensions.map((d) => roomIn(h, host, d)))),
    start: new Int32Array(units.length).fill(NOWHERE),
    moves: new Int32Array(units.length),
    moveCost: new Float64Array(units.length),
    openCost: new Float64Array(hosts.length),
    allowed,
    rules: [
      ...licenceRulesOf(snapshot, units),
      ...rulesOf({
        constraints: request.constraints,
        items: units.map((u) => u.vees),
        staying: snapshot.vees.filter((v) => !moving.has(v.id)),
        hosts,
        allHosts: hosts,
        handover: request.handover,
        mayBe: (u, h) => {
          const [unit, host] = [units[u], hosts[h]];
          return unit !== undefined && host !== undefined && board.standing(unit, host).length === 0;
        },
      }),
    ],
    mostMoves: Infinity,
  };
}

/**
 * Finds some placement of all units by a search that may miss one. The caller checks it before use, as its rules know
 * nothing of what is on its way from one place to another.
 * @param solve one search unless it is told otherwise
 */
export function solveBySearch(
  snapshot: Snapshot,
  request: PlacementRequest,
  units: readonly Unit[],
  seed: string,
  solve: Solve = solveAlone,
): ExactAnswer & { readonly solver?: string } {
  const { hosts } = snapshot;
  // One alone has been tried on every host.
  if (units.length < 2 || units.length * hosts.length > MOST_PAIRS) return { kind: 'unknown' };
  const problem = problemFor(snapshot, request, units);
  if (units.some((_, u) => !hosts.some((__, h) => problem.allowed[u * hosts.length + h] === 1)))
    return { kind: 'unknown' };
  if (lowerBound(problem) === Infinity) return { kind: 'unknown' };
  const steps = STEPS_A_UNIT * units.length;
  const quest = { seed, steps, looks: MOST_LOOKS, furtherLooks: MOST_FURTHER_LOOKS, bound: 0 };
  const { placement, solver } = solve(problem, quest);
  if (!placement) return { kind: 'unknown' };
  const hostOfUnit = Array.from(placement, (h) => hosts[h]?.id);
  return hostOfUnit.every((id) => id !== undefined)
    ? { kind: 'placed', hostOfUnit, ...(solver ? { solver } : {}) }
    : { kind: 'unknown' };
}
