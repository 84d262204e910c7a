import type { HostId } from '../ids';
import { nameOf } from '../units';
import type { Layout } from './layout';
import type { BalanceQuestion } from './model';
import { costOfMoving, type Step } from './step';
import type { BalanceUnit } from './unit';

/** What a move has to be worth, in terms of `unevenness`: so much for each move that its cost is told in. */
const PRICE = 0.005;

interface Candidate {
  readonly to: HostId;
  readonly worth: number;
  /** Something has changed since: it is worth this at most. */
  readonly stale?: true;
}

/** Each time the move that is worth the most beyond its price, tried on the layout that those before it leave. */
export function greedily(layout: Layout, question: BalanceQuestion): Step[] {
  const movable = layout.units.filter((u) => !u.fixed && layout.hosts.some((h) => h.id === layout.hostOf(u)));
  const prices = new Map(movable.map((u) => [u, priceOf(layout, u, layout.hostOf(u), question)]));
  const best = new Map<BalanceUnit, Candidate | undefined>();
  const consider = (unit: BalanceUnit, to: readonly HostId[], known?: Candidate) => {
    let found = known;
    for (const hostId of to) {
      const worth = layout.gain(unit, hostId) - (prices.get(unit) ?? 0);
      if (worth <= (found?.worth ?? 0) || hostId === layout.hostOf(unit)) continue;
      if (layout.refusal(unit, hostId) === undefined) found = { to: hostId, worth };
    }
    best.set(unit, found);
  };
  const all = layout.hosts.map((h) => h.id);
  for (const unit of movable) consider(unit, all);

  const steps: Step[] = [];
  // A host that is left becomes better for all, one that is gone to better to leave; whatever else was found before is
  // worth no more than it was, and is looked at again only when it would be the next. That saves most of the work.
  for (let left = question.mostMoves; ; ) {
    const chosen = worthiest(best, left);
    if (!chosen) return steps;
    const [unit, { to, stale }] = chosen;
    // By a constraint on zones also a move to another host may stand against it.
    if (stale || layout.refusal(unit, to) !== undefined) {
      consider(unit, all);
      continue;
    }
    const from = layout.hostOf(unit);
    const because = reasonOf(layout, from, to);
    layout.move(unit, to);
    steps.push({ unit, from, to, because });
    left -= unit.vees.length;
    // It has moved: once is enough.
    best.delete(unit);
    for (const [other, known] of best) {
      const at = layout.hostOf(other);
      if (at === to) consider(other, all);
      else if (known && (known.to === to || at === from)) consider(other, [from], { ...known, stale: true });
      else consider(other, [from], known);
    }
  }
}

function worthiest(
  best: ReadonlyMap<BalanceUnit, Candidate | undefined>,
  most: number,
): [BalanceUnit, Candidate] | undefined {
  let chosen: [BalanceUnit, Candidate] | undefined;
  for (const [unit, candidate] of best)
    if (candidate && unit.vees.length <= most && candidate.worth > (chosen?.[1].worth ?? 0))
      chosen = [unit, candidate];
  return chosen;
}

/** What it is worth not to move a unit, in terms of `unevenness`. */
export function priceOf(layout: Layout, unit: BalanceUnit, from: HostId, question: BalanceQuestion): number {
  return PRICE * costOfMoving(unit.vees, layout.hostNamed(from)?.capabilities.migration, question);
}

const percent = (share: number) => `${Math.round(share * 100)} %`;

export function reasonOf(layout: Layout, from: HostId, to: HostId): string {
  const { dimension, load } = layout.peak(from);
  const what = nameOf(layout.dimensions[dimension] ?? 'cpuMillis');
  return `${from} has ${percent(load)} of its ${what} in use, ${to} ${percent(layout.loadIn(to, dimension))}`;
}
