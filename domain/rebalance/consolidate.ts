import type { HostId } from '../ids';
import { lowerBound } from '../placement/optimize/bound';
import { costOf } from '../placement/optimize/problem';
import { search } from '../placement/optimize/search';
import { faultsOf } from '../placement/optimize/verify';
import type { BalanceUnit, Layout } from './layout';
import type { BalanceQuestion, Optimality } from './model';
import { type Consolidation, consolidationOf } from './problem';
import type { Step } from './step';

/** A step of the search looks at each host some ten times; so many looks take some seconds. */
const MOST_LOOKS = 400_000_000;
const STEPS_AN_ITEM = 1_000;
/** What can't be made in any order is left where it is, and the rest planned anew; so often. */
const MOST_ROUNDS = 4;

export interface Consolidated {
  /** In an order in which each can be made when those before it have been. */
  readonly steps: readonly Step[];
  readonly optimality?: Optimality;
  /** Might have moved, but only while others were out of the way that wanted its place. */
  readonly blocked: number;
}

/**
 * Frees as many hosts as that is worth, by the fewest and cheapest moves (RESERVOIR's policy of power saving, seed 002
 * §2.2.6). Leaves the layout as it is when all is done.
 */
export function consolidate(layout: Layout, question: BalanceQuestion): Consolidated {
  const left = new Set<BalanceUnit>();
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const { problem, units, hosts } = consolidationOf(layout, question, left);
    const looks = Math.max(1, 10 * problem.hosts);
    const steps = Math.min(STEPS_AN_ITEM * problem.items, Math.floor(MOST_LOOKS / looks));
    const bound = lowerBound(problem);
    const { placement } = search(problem, 'consolidate', { steps, bound });
    const now = costOf(problem, problem.start);
    // A site where something is where it may not be is no place to begin from: that is mended first.
    if (!placement || faultsOf(problem, placement).length > 0) return { steps: [], blocked: left.size };
    const cost = costOf(problem, placement);
    if (cost >= now) return { steps: [], optimality: { cost: now, bound }, blocked: left.size };
    const wanted = new Map<BalanceUnit, HostId>();
    for (const [i, unit] of units.entries()) {
      const to = hosts[placement[i] ?? -1]?.id;
      if (to !== undefined && to !== layout.hostOf(unit)) wanted.set(unit, to);
    }
    const { order, blocked } = executable(layout, wanted);
    if (blocked.length === 0)
      return {
        steps: explained(layout, order, { problem, units, hosts }),
        optimality: { cost, bound },
        blocked: left.size,
      };
    for (const { unit, from } of [...order].reverse()) layout.move(unit, from);
    for (const unit of blocked) left.add(unit);
  }
  return { steps: [], blocked: left.size };
}

type Way = Pick<Step, 'unit' | 'from' | 'to'>;

/** Makes one move after the other that can be made by then. Those that are blocked wait for each other. */
function executable(
  layout: Layout,
  wanted: ReadonlyMap<BalanceUnit, HostId>,
): { readonly order: Way[]; readonly blocked: BalanceUnit[] } {
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
    if (still.length === waiting.length) return { order, blocked: still.map(([unit]) => unit) };
    waiting = still;
  }
}

function explained(layout: Layout, order: readonly Way[], { hosts }: Consolidation): Step[] {
  const freed = new Set(hosts.filter((h) => layout.isEmpty(h.id)).map((h) => h.id));
  return order.map(({ unit, from, to }) => {
    if (freed.has(from))
      return { unit, from, to, because: `${from} is free then, and ${to} has room`, frees: true };
    return {
      unit,
      from,
      to,
      because: `${from} has room then for what leaves a host that is to be free`,
      makesRoom: true,
    };
  });
}
