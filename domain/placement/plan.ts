import { groupBy } from '../group-by';
import type { HostId } from '../ids';
import { dominantShare, subtract, sum } from '../units';
import { solveBySearch } from './by-search';
import { assign, choose, inOrderOfChoice, judge } from './choice';
import { placeFor } from './constraints';
import { solveExactly } from './exact';
import { Board, type Unit, unitsOf } from './feasibility';
import { Judge } from './judge';
import type {
  Assignment,
  Blueprint,
  Constraint,
  HostVerdict,
  Infeasible,
  Meter,
  PlacementRequest,
  PlanContext,
  Refusal,
  Snapshot,
  SnapshotHost,
} from './model';
import type { Solve } from './optimize/solver';
import { type Policy, policyData } from './policy';
import { SpareKeeper } from './spare-keeper';
import { inSpreadOrder } from './spread-order';
import { faultsOfPlan, verified } from './verified';

/**
 * Where shall these VEEs run? A pure function: the same snapshot, request, policy and seed give the same
 * blueprint. Greedy by decreasing size under the policy's score; when that finds no room, an exact search looks for some if
 * the problem is small, and one that may miss it if it is not (RESERVOIR's policy engine with its pluggable
 * optimizer, seed 002 §2.2.6-2.2.7).
 * @param solve many solvers side by side, to be asked in place of the quick search where there is time for them
 */
export function plan(
  snapshot: Snapshot,
  request: PlacementRequest,
  policy: Policy,
  context: PlanContext,
  solve?: Solve,
): Blueprint | Infeasible {
  const units = largestFirst(unitsOf(request), snapshot.hosts);
  const seed = request.seed ?? context.seed;
  const { hurried = false, meter } = context;
  const asked = {
    snapshot,
    request,
    policy,
    seed,
    keeper: SpareKeeper.of(snapshot, request),
    hurried,
    meter,
  };
  const greedy = placeByZone(asked, units);
  if (greedy.unplaced.length === 0)
    return blueprint('greedy', verified(snapshot, request, greedy.assignments), policy, context, seed);

  const proven = greedy.unplaced.some((u) => u.proven);
  const spread = proven ? undefined : placeSpreadFirst(asked, units);
  if (spread?.unplaced.length === 0)
    return blueprint('greedy', verified(snapshot, request, spread.assignments), policy, context, seed);
  for (const [algorithm, find] of proven ? [] : solversWith(solve, context)) {
    // Whoever searches asks each host about each unit first.
    if (meter && algorithm !== 'exact') meter.judgements += 2 * units.length * snapshot.hosts.length;
    const answer = find(snapshot, request, units, seed);
    if (answer.kind !== 'placed') continue;
    const assignments = explained(
      answer.solver ? `${FOUND_BY[algorithm]}, ${answer.solver}` : FOUND_BY[algorithm],
      asked,
      units,
      answer.hostOfUnit,
    );
    // The last check before a solver's answer is believed.
    if (assignments && faultsOfPlan(snapshot, request, assignments).length === 0)
      return blueprint(algorithm, assignments, policy, context, seed);
  }
  return {
    kind: 'infeasible',
    // That the solver found none is no proof: it has been seen to be wrong about that (docs/adr/0006).
    proven,
    unplaced: greedy.unplaced.flatMap(({ unit, verdicts }) =>
      unit.vees.map((v) => ({ veeId: v.id, component: v.component, index: v.index, hosts: verdicts })),
    ),
  };
}

/** What a plan is asked, for each way in which it is tried. */
interface Asked {
  readonly snapshot: Snapshot;
  readonly request: PlacementRequest;
  readonly policy: Policy;
  readonly seed: string;
  readonly keeper: SpareKeeper | undefined;
  readonly hurried: boolean;
  readonly meter: Meter | undefined;
}

/** What is spread needs room in each zone, which what is larger may have taken: it chooses first then. */
function placeSpreadFirst(asked: Asked, units: readonly Unit[]): GreedyResult | undefined {
  const spread = new Set(
    asked.request.constraints.flatMap((c) => (c.kind === 'spread' ? [c.component] : [])),
  );
  if (spread.size === 0) return undefined;
  const isSpread = (unit: Unit) => unit.vees.some((v) => spread.has(v.component));
  const order = [...units.filter(isSpread), ...units.filter((u) => !isSpread(u))];
  return placeByZone(asked, order);
}

type Finder = (
  snapshot: Snapshot,
  request: PlacementRequest,
  units: readonly Unit[],
  seed: string,
) => ReturnType<typeof solveBySearch>;

/** What is asked in turn where the greedy way leaves something without a place. */
const solversWith = (
  solve: Solve | undefined,
  { hurried }: PlanContext,
): (readonly [keyof typeof FOUND_BY, Finder])[] =>
  hurried ? [['exact', solveExactly]] : [['exact', solveExactly], searching(solve)];

const searching = (solve: Solve | undefined): readonly [keyof typeof FOUND_BY, Finder] =>
  solve
    ? ['portfolio', (snapshot, request, units, seed) => solveBySearch(snapshot, request, units, seed, solve)]
    : ['search', (snapshot, request, units, seed) => nameless(solveBySearch(snapshot, request, units, seed))];

const FOUND_BY = {
  exact: 'the exact search',
  search: 'a search',
  portfolio: 'the best of several solvers',
} as const;

/** Of one that is asked alone nobody needs to know which one it was. */
const nameless = ({ solver: _, ...answer }: ReturnType<typeof solveBySearch>) => answer;

/** The hosts that an answer takes. */
export const hostsIn = (answer: Blueprint | Infeasible): HostId[] =>
  answer.kind === 'blueprint' ? [...new Set(answer.assignments.map((a) => a.hostId))] : [];

interface GreedyResult {
  readonly assignments: Assignment[];
  readonly unplaced: { unit: Unit; verdicts: readonly HostVerdict[]; proven: boolean }[];
}

/** A plan that finds no room is tried again in no more ways than so many, and fewer in a large site. */
const MOST_ZONES_TRIED = 50;
const MOST_JUDGEMENTS = 2_000_000;
const HURRIED_JUDGEMENTS = 100_000;

/**
 * Those that are to be in one zone follow the first of them, which chose its host for itself alone. Where that leaves some
 * without a place, each zone is tried for all of them.
 * @returns the way that leaves the fewest without a place
 */
function placeByZone(asked: Asked, units: readonly Unit[]): GreedyResult {
  const { snapshot, request, hurried } = asked;
  const first = placeGreedily(asked, units);
  const ties = request.constraints.filter((c) => c.kind === 'together' && c.level !== 'host');
  let pins: ReadonlyMap<Constraint, string> = new Map();
  let best = first;
  const judgements = hurried ? HURRIED_JUDGEMENTS : MOST_JUDGEMENTS;
  let left = Math.min(MOST_ZONES_TRIED, judgements / Math.max(1, units.length * snapshot.hosts.length));
  for (const tie of ties)
    for (const zone of first.unplaced.length > 0 ? placesByRoom(tie, snapshot.hosts) : []) {
      if (best.unplaced.length === 0 || left-- <= 0) break;
      const tried = new Map(pins).set(tie, zone);
      const result = placeGreedily(asked, units, tried);
      if (result.unplaced.length >= best.unplaced.length) continue;
      best = result;
      pins = tried;
    }
  return best;
}

/** The roomiest first, by what is free on the hosts that take newcomers. */
function placesByRoom(tie: Constraint, hosts: readonly SnapshotHost[]): string[] {
  const room = (of: readonly SnapshotHost[]) => {
    const open = of.filter((h) => h.liveness === 'up' && !h.cordoned);
    const free = sum(open.map((h) => subtract(h.capacity, h.reserved)));
    return hosts[0] ? dominantShare(free, hosts[0].capacity) : 0;
  };
  return [...groupBy(hosts, (h) => placeFor(tie, h))]
    .map(([zone, of]) => ({ zone, room: room(of) }))
    .sort((a, b) => b.room - a.room || (a.zone < b.zone ? -1 : 1))
    .map(({ zone }) => zone);
}

function placeGreedily(
  { snapshot, request, policy, seed, keeper, meter }: Asked,
  units: readonly Unit[],
  pins?: ReadonlyMap<Constraint, string>,
): GreedyResult {
  const board = new Board(snapshot, request, pins);
  const judge = new Judge(board, request, policy, meter);
  keeper?.begin();
  const result: GreedyResult = { assignments: [], unplaced: [] };
  for (const unit of units) {
    const { verdicts, best } = chosen(judge.verdictsOn(unit), unit, seed, keeper);
    if (best === undefined) {
      // Refused everywhere for reasons that no other choice could change: nothing to search for.
      const proven = board.hosts.every((h) => board.standing(unit, h).length > 0);
      result.unplaced.push({ unit, verdicts, proven });
      continue;
    }
    result.assignments.push(...assign(unit, best, verdicts, policy));
    judge.put(unit, best);
  }
  return result;
}

/** The best of those that may be, as far as room is kept for losses: the best is asked first, as that takes longer. */
function chosen(
  judged: readonly HostVerdict[],
  unit: Unit,
  seed: string,
  keeper: SpareKeeper | undefined,
): { readonly verdicts: readonly HostVerdict[]; readonly best: HostId | undefined } {
  const first = choose(judged, seed);
  if (first === undefined || !keeper) return { verdicts: judged, best: first };
  const refused = new Map<HostId, Refusal>();
  const asked = (hostId: HostId): boolean => {
    const refusal = keeper.refusalOf(unit, hostId);
    if (refusal) refused.set(hostId, refusal);
    return refusal === undefined;
  };
  const best = asked(first) ? first : inOrderOfChoice(judged, seed).slice(1).find(asked);
  const verdicts = judged.map((v): HostVerdict => {
    const refusal = refused.get(v.hostId);
    return refusal ? { hostId: v.hostId, refusals: [refusal] } : v;
  });
  return { verdicts, best };
}

function explained(
  by: string,
  { snapshot, request, policy, seed, keeper }: Asked,
  units: readonly Unit[],
  hostOfUnit: readonly HostId[],
): Assignment[] | undefined {
  const board = new Board(snapshot, request);
  keeper?.begin();
  const assignments: Assignment[] = [];
  for (const i of inSpreadOrder(snapshot, request, units, hostOfUnit)) {
    const [unit, hostId] = [units[i], hostOfUnit[i]];
    if (unit === undefined) return undefined;
    const verdicts = judge(board, unit, policy);
    const verdict = verdicts.find((v) => v.hostId === hostId);
    // An answer of a solver counts only once every rule was checked against it, one placement at a time.
    if (hostId === undefined || verdict?.score === undefined) return undefined;
    if (keeper?.refusalOf(unit, hostId)) return undefined;
    const greedy = choose(verdicts, seed);
    const because =
      hostId === greedy
        ? `chosen by ${by}`
        : `chosen by ${by}: ${greedy} alone scores better, but leaves no room for another VEE`;
    assignments.push(...assign(unit, hostId, verdicts, policy).map((a) => ({ ...a, because })));
    board.put(unit, hostId);
  }
  return assignments;
}

function largestFirst(units: readonly Unit[], hosts: readonly SnapshotHost[]): Unit[] {
  const biggest = hosts[0]?.capacity;
  if (!biggest) return [...units];
  const size = new Map(units.map((u) => [u, dominantShare(u.need, biggest)]));
  // Array.prototype.sort is stable: equal units keep the request's order.
  return [...units].sort((a, b) => (size.get(b) ?? 0) - (size.get(a) ?? 0));
}

function blueprint(
  algorithm: Blueprint['algorithm'],
  assignments: readonly Assignment[],
  policy: Policy,
  context: PlanContext,
  seed: string,
): Blueprint {
  return {
    kind: 'blueprint',
    id: context.blueprintId,
    parentId: null,
    operationId: context.operationId,
    createdAt: context.now,
    policy: policyData(policy),
    seed,
    algorithm,
    assignments,
  };
}
