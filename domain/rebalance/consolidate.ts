import type { HostId } from '../ids';
import { goalOf } from '../placement/built-in-policies';
import { lowerBound } from '../placement/optimize/bound';
import { costOf, placeCostOf } from '../placement/optimize/problem';
import type { Solve, Solved } from '../placement/optimize/solver';
import type { Goal } from '../placement/policy';
import { distanceOf } from './distance';
import type { Layout } from './layout';
import type { BalanceQuestion, Optimality } from './model';
import { type InNumbers, inNumbers, misplacedIn } from './problem';
import type { Step } from './step';
import type { BalanceUnit } from './unit';

/** Looks at a host, over all rounds: some seconds. */
const MOST_LOOKS = 400_000_000;
const STEPS_AN_ITEM = 250;
/** What can't be made in any order is left where it is, and the rest planned anew; so often. */
const MOST_ROUNDS = 4;

export interface Consolidated {
  /** In an order in which each can be made when those before it have been. */
  readonly steps: readonly Step[];
  readonly optimality?: Optimality;
  /** How many VEEs might have moved, but only once others had that wait for them. */
  readonly blocked: number;
}

/**
 * Frees as many hosts as that is worth, or makes those in use as cheap as that is worth, by the fewest and cheapest moves
 * (RESERVOIR's policies of power saving and of profit, seed 002 §2.2.6). Leaves the layout as it is when all is done.
 * @param solve finds where everything had better be
 */
export function consolidate(layout: Layout, question: BalanceQuestion, solve: Solve): Consolidated {
  const whole = soundPart(layout, question);
  let bound = lowerBound(whole.problem);
  const sound = new Set(whole.units);
  const left = new Set(layout.units.filter((u) => !sound.has(u)));
  let [looks, blocked] = [MOST_LOOKS, 0];
  let told: { readonly part: InNumbers; readonly found: Solved } | undefined;
  for (let round = 0; round < MOST_ROUNDS && looks > 0; round++) {
    const part = round === 0 ? whole : inNumbers(layout, question, left);
    const { problem } = part;
    const steps = STEPS_AN_ITEM * problem.items;
    const found = solve(problem, { seed: 'consolidate', steps, looks, bound: lowerBound(problem) });
    if (round === 0) bound = Math.max(bound, found.bound);
    told = { part, found };
    looks -= found.looks;
    const { placement, cost } = found;
    if (!placement || cost >= costOf(problem, problem.start) - 1e-9) break;
    const { order, waiting } = executable(layout, wantedMoves(layout, part, placement));
    if (waiting.length === 0)
      return {
        steps: explained(layout, order, part, goalOf(question.policy)),
        optimality: {
          ...optimalityOf(layout, question, whole, bound),
          ...tellingOf(layout, question, part, found),
        },
        blocked,
      };
    for (const { unit, from } of [...order].reverse()) layout.move(unit, from);
    for (const unit of waiting) left.add(unit);
    blocked += waiting.reduce((n, u) => n + u.vees.length, 0);
  }
  const optimality = optimalityOf(layout, question, whole, bound);
  if (!told) return { steps: [], optimality, blocked };
  const { solver: _, ...telling } = tellingOf(layout, question, told.part, told.found);
  return { steps: [], optimality: { ...optimality, ...telling }, blocked };
}

/** Who was asked, and what each found, by the scale of the goal. */
function tellingOf(
  layout: Layout,
  question: BalanceQuestion,
  part: InNumbers,
  { solver, asked, stoppedBy }: Solved,
): Pick<Optimality, 'solver' | 'asked' | 'stoppedBy'> {
  // What the problem leaves out: see `optimalityOf`.
  const { bound: common } = optimalityOf(layout, question, part, 0);
  return {
    ...(solver ? { solver } : {}),
    asked: asked.map((a) => (a.cost === undefined ? a : { ...a, cost: common + a.cost * part.worth })),
    ...(stoppedBy ? { stoppedBy } : {}),
  };
}

/** What is not as it should be stays where it is, and nothing else is kept from moving by that. */
function soundPart(layout: Layout, question: BalanceQuestion): InNumbers {
  const left = new Set<BalanceUnit>();
  for (;;) {
    const part = inNumbers(layout, question, left);
    const misplaced = misplacedIn(part.problem);
    if (misplaced.length === 0) return part;
    for (const item of misplaced) {
      const unit = part.units[item];
      if (unit) left.add(unit);
    }
  }
}

/** What the layout costs as it is now, with the moves, and what none that all its units may come to costs less than. */
function optimalityOf(
  layout: Layout,
  { policy }: BalanceQuestion,
  { problem, units, hosts, worth }: InNumbers,
  bound: number,
): Optimality {
  const indexOf = new Map(hosts.map((h, i) => [h.id, i]));
  const placement = Int32Array.from(units, (u) => indexOf.get(layout.hostOf(u)) ?? -1);
  const moving = placement.reduce(
    (n, host, i) => (host === problem.start[i] ? n : n + (problem.moveCost[i] ?? 0)),
    0,
  );
  const cost = distanceOf(layout, goalOf(policy), policy.parameters) + moving * worth;
  // Beside what both have in common, which the problem leaves out.
  return { cost, bound: cost - (costOf(problem, placement) - bound) * worth };
}

function wantedMoves(
  layout: Layout,
  { units, hosts }: InNumbers,
  placement: Int32Array,
): Map<BalanceUnit, HostId> {
  const wanted = new Map<BalanceUnit, HostId>();
  for (const [i, unit] of units.entries()) {
    const to = hosts[placement[i] ?? -1]?.id;
    if (to !== undefined && to !== layout.hostOf(unit)) wanted.set(unit, to);
  }
  return wanted;
}

type Way = Pick<Step, 'unit' | 'from' | 'to'>;

/** Makes one move after the other that can be made by then. Those that are left wait for each other. */
function executable(
  layout: Layout,
  wanted: ReadonlyMap<BalanceUnit, HostId>,
): { readonly order: Way[]; readonly waiting: BalanceUnit[] } {
  const order: Way[] = [];
  let waiting = [...wanted];
  for (;;) {
    const still: typeof waiting = [];
    for (const [unit, to] of waiting) {
      if (layout.refusal(unit, to) !== undefined) {
        still.push([unit, to]);
        continue;
      }
      order.push({ unit, from: layout.hostOf(unit), to });
      layout.move(unit, to);
    }
    if (still.length === waiting.length) return { order, waiting: still.map(([unit]) => unit) };
    waiting = still;
  }
}

function explained(
  layout: Layout,
  order: readonly Way[],
  { hosts, units, problem }: InNumbers,
  goal: Goal,
): Step[] {
  const freed = new Set(hosts.filter((h) => layout.isEmpty(h.id)).map((h) => h.id));
  const opened = (hostId: HostId) =>
    layout
      .usedOf(hostId)
      .every(
        (used, d) => order.reduce((n, w) => (w.to === hostId ? n - (w.unit.needs[d] ?? 0) : n), used) <= 0,
      );
  const opens = new Set(hosts.filter((h) => !freed.has(h.id) && opened(h.id)).map((h) => h.id));
  const itemOf = new Map(units.map((u, i) => [u, i]));
  const indexOf = new Map(hosts.map((h, i) => [h.id, i]));
  /** How much cheaper a unit is where it goes, beyond what it costs to move it if that is not for the sake of others. */
  const savedBy = ({ unit, from, to }: Way): number => {
    const item = itemOf.get(unit) ?? -1;
    const on = (id: HostId) => placeCostOf(problem, item, indexOf.get(id) ?? -1);
    return on(from) - on(to) - (opens.has(to) ? 0 : (problem.moveCost[item] ?? 0));
  };
  return order.map((way): Step => {
    const { from, to } = way;
    const told = { ...way, ...(opens.has(to) ? { opens: true as const } : {}) };
    if (freed.has(from)) return { ...told, because: `${from} is free then, and ${to} has room`, frees: true };
    if (savedBy(way) > 0) {
      const less = goal === 'watts' ? 'draws' : 'costs';
      return { ...told, because: `it ${less} less on ${to} than on ${from}`, cheaper: true };
    }
    const because = `${from} has room then for what leaves a host that is to be free`;
    return { ...told, because, makesRoom: true };
  });
}
