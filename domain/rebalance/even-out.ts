import type { HostId } from '../ids';
import { greedily, priceOf, reasonOf } from './greedy';
import type { Layout } from './layout';
import type { BalanceQuestion } from './model';
import { type InNumbers, inNumbers } from './problem';
import { refine } from './refine';
import type { Step } from './step';
import type { BalanceUnit } from './unit';

/** Of units and hosts: in a larger site looking at them all takes longer than it is worth for the moves of one run. */
const MOST_PAIRS = 10_000_000;

/**
 * The moves that even a site out the most for what they cost: chosen greedily, then bettered as a whole. Leaves the layout as
 * it is when all is done.
 */
export function evenOut(layout: Layout, question: BalanceQuestion): Step[] {
  const small = layout.units.length * layout.hosts.length <= MOST_PAIRS;
  const numbers = small ? inNumbers(layout, question, new Set()) : undefined;
  const greedy = greedily(layout, question);
  if (greedy.length === 0 || !numbers) return greedy;
  const pricesOf = (steps: readonly Step[]) =>
    steps.reduce((all, s) => all + priceOf(layout, s.unit, s.from, question), 0);
  const worth = layout.unevenness() + pricesOf(greedy);
  const wanted = refined(layout, numbers, question);
  takeBack(layout, greedy);
  const steps = worthiestFirst(layout, wanted, (unit, from) => priceOf(layout, unit, from, question));
  if (layout.unevenness() + pricesOf(steps) < worth) return steps;
  // Some of it could not be made in any order.
  takeBack(layout, steps);
  for (const { unit, to } of greedy) layout.move(unit, to);
  return greedy;
}

/** Where what is greedily chosen had better go. */
function refined(
  layout: Layout,
  { problem, units, hosts }: InNumbers,
  question: BalanceQuestion,
): ReadonlyMap<BalanceUnit, HostId> {
  const indexOf = new Map(hosts.map((h, i) => [h.id, i]));
  const choice = Int32Array.from(units, (u) => indexOf.get(layout.hostOf(u)) ?? -1);
  const better = refine(
    problem,
    {
      capacity: Float64Array.from(hosts.flatMap((h) => layout.capacityOf(h.id))),
      load: Float64Array.from(units.flatMap((u) => u.loads)),
      hostLoad: loadsAtFirst(layout, units, hosts, problem),
      mean: layout.mean,
      prices: Float64Array.from(units, (u, i) =>
        priceOf(layout, u, hosts[problem.start[i] ?? -1]?.id ?? ('' as HostId), question),
      ),
    },
    choice,
  );
  const wanted = new Map<BalanceUnit, HostId>();
  for (const [i, unit] of units.entries()) {
    const to = hosts[better[i] ?? -1]?.id;
    if (to !== undefined && better[i] !== problem.start[i]) wanted.set(unit, to);
  }
  return wanted;
}

/** What was chosen greedily has moved on the layout by then: it counts where it was. */
function loadsAtFirst(
  layout: Layout,
  units: InNumbers['units'],
  hosts: InNumbers['hosts'],
  { start, dimensions }: InNumbers['problem'],
): Float64Array {
  const loads = Float64Array.from(hosts.flatMap((h) => layout.loadOf(h.id)));
  const indexOf = new Map(hosts.map((h, i) => [h.id, i]));
  for (const [i, unit] of units.entries()) {
    const [now, then] = [indexOf.get(layout.hostOf(unit)) ?? -1, start[i] ?? -1];
    if (now === then) continue;
    for (const [d, load] of unit.loads.entries()) {
      loads[now * dimensions + d] = (loads[now * dimensions + d] ?? 0) - load;
      loads[then * dimensions + d] = (loads[then * dimensions + d] ?? 0) + load;
    }
  }
  return loads;
}

/** In the order in which each is worth the most; those that are not worth their price, or can't be made, are left out. */
function worthiestFirst(
  layout: Layout,
  wanted: ReadonlyMap<BalanceUnit, HostId>,
  priceFrom: (unit: BalanceUnit, from: HostId) => number,
): Step[] {
  const steps: Step[] = [];
  const waiting = new Map(wanted);
  for (;;) {
    let chosen: { unit: BalanceUnit; to: HostId; worth: number } | undefined;
    for (const [unit, to] of waiting) {
      const worth = layout.gain(unit, to) - priceFrom(unit, layout.hostOf(unit));
      if (worth > (chosen?.worth ?? 0) && layout.refusal(unit, to) === undefined)
        chosen = { unit, to, worth };
    }
    if (!chosen) return steps;
    const { unit, to } = chosen;
    const from = layout.hostOf(unit);
    steps.push({ unit, from, to, because: reasonOf(layout, from, to) });
    layout.move(unit, to);
    waiting.delete(unit);
  }
}

function takeBack(layout: Layout, steps: readonly Step[]): void {
  for (const { unit, from } of [...steps].reverse()) layout.move(unit, from);
}
