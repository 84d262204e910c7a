import { groupBy } from '../group-by';
import type { HostId } from '../ids';
import { estimateMigration, usualMode } from '../migration/estimate';
import { type Move, scheduleMoves } from '../migration/waves';
import { DIMENSION_NAMES, DIMENSIONS, sum } from '../units';
import { type BalanceUnit, imbalanceOf, Layout } from './layout';
import { type BalanceMove, type BalancePlan, type BalanceQuestion, LEAST_GAIN } from './model';

/** What a move has to be worth, in terms of `unevenness`: for itself, and for each minute that it takes or stands still. */
const PRICE = { move: 0.005, minute: 0.001, stillMinute: 0.01 } as const;

interface Candidate {
  readonly to: HostId;
  readonly worth: number;
  /** Something has changed since: it is worth this at most. */
  readonly stale?: true;
}

interface Step {
  readonly unit: BalanceUnit;
  readonly from: HostId;
  readonly to: HostId;
  readonly because: string;
}

/**
 * Which VEEs to send where so that hosts are loaded more evenly (RESERVOIR's load balancing policy, seed 002 §2.2.6): each
 * time the move that is worth the most beyond its price, tried on the layout that those before it leave. So their order is
 * one in which no step breaks a capacity or a constraint. Nothing at all when the whole would gain too little.
 */
export function planRebalance(question: BalanceQuestion): BalancePlan {
  const layout = new Layout(question);
  const before = imbalanceOf(layout);
  const uneven = layout.unevenness();
  const steps = question.policy.name === 'packing' ? [] : search(layout, question);
  const after = imbalanceOf(layout);
  if (uneven - layout.unevenness() < LEAST_GAIN)
    return {
      ...{ before, after: before, moves: [], waves: [], estimatedMillis: 0, interrupted: 0 },
      because: whyNothing(question, layout, before, after),
    };
  const { waves, totalMillis: estimatedMillis } = inWaves(steps, question);
  const staying = fixedBy(layout);
  return {
    before,
    after,
    moves: steps.map(told),
    waves,
    estimatedMillis,
    interrupted: steps
      .filter((s) => asOne(s, question).mode !== 'pre-copy')
      .reduce((n, s) => n + s.unit.vees.length, 0),
    ...(staying ? { because: staying } : {}),
  };
}

/**
 * Of moves that were planned a while ago, and none of which has begun: which may still be made, in this order, and better
 * the site as it is now.
 */
export function confirmMoves(
  question: Omit<BalanceQuestion, 'mostMoves'>,
  moves: readonly BalanceMove[],
): ({ readonly go: true } | { readonly go: false; readonly because: string })[] {
  const layout = new Layout(question);
  const byVee = new Map(layout.units.flatMap((unit) => unit.vees.map((v) => [v.id, unit] as const)));
  // It may have been set since.
  if (question.policy.name === 'packing') return moves.map(() => ({ go: false, because: PACKING }));
  return moves.map((move) => {
    const unit = byVee.get(move.veeIds[0] ?? ('' as never));
    const because = unit ? unfit(layout, unit, move) : 'it is gone';
    if (!unit || because) return { go: false, because: because ?? 'it is gone' };
    layout.move(unit, move.toHostId);
    return { go: true };
  });
}

function unfit(layout: Layout, unit: BalanceUnit, move: BalanceMove): string | undefined {
  if (unit.vees.length !== move.veeIds.length || !unit.vees.every((v) => move.veeIds.includes(v.id)))
    return 'it is tied to others than it was';
  if (layout.hostOf(unit) !== move.fromHostId) return `it is on ${layout.hostOf(unit)} now`;
  const refusal = layout.refusal(unit, move.toHostId);
  if (refusal) return refusal;
  return layout.gain(unit, move.toHostId) > 0 ? undefined : 'it would better nothing any more';
}

function search(layout: Layout, question: BalanceQuestion): Step[] {
  const movable = layout.units.filter((u) => !u.fixed && layout.hosts.some((h) => h.id === layout.hostOf(u)));
  const drivers = new Map(question.hosts.map((h) => [h.id, h.capabilities.migration]));
  const prices = new Map(movable.map((u) => [u, priceOf(u, drivers.get(layout.hostOf(u)), question)]));
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
    const because = reason(layout, from, to);
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

function priceOf(
  { vees }: BalanceUnit,
  migration: 'live' | 'cold' | 'none' = 'cold',
  { budget }: BalanceQuestion,
): number {
  return vees.reduce((price, { need, stopGraceMillis }) => {
    const mode = usualMode(migration);
    const { totalMillis, stillMillis } = estimateMigration(need, mode, budget.streamKbps, stopGraceMillis);
    return price + PRICE.move + (totalMillis * PRICE.minute + stillMillis * PRICE.stillMinute) / 60_000;
  }, 0);
}

/**
 * As many side by side as the links carry, and in an order in which each is worth what it was when it was chosen: none
 * before one that it shares a host with, and none together with one that has to make room for it.
 */
function inWaves(steps: readonly Step[], question: BalanceQuestion) {
  const moves = steps.map((step) => asOne(step, question));
  const byZone = new Set(
    question.constraints.flatMap((c) => (c.kind !== 'assignment' && c.level === 'zone' ? [c.serviceId] : [])),
  );
  const serviceOf = (step: Step | undefined) => step?.unit.vees[0]?.serviceId;
  return scheduleMoves(moves, question.budget, (index, waveOf) => {
    const step = steps[index];
    return steps.slice(0, index).reduce((wave, earlier, i) => {
      const of = waveOf[i] ?? 0;
      const service = serviceOf(step);
      const inZones = service !== undefined && byZone.has(service) && service === serviceOf(earlier);
      if (inZones || earlier.from === step?.to) return Math.max(wave, of + 1);
      const shares = [earlier.from, earlier.to].some((h) => h === step?.from || h === step?.to);
      return shares ? Math.max(wave, of) : wave;
    }, 0);
  });
}

/** What is tied together goes as one over the same links. */
function asOne({ unit, from, to }: Step, { hosts }: Pick<BalanceQuestion, 'hosts'>): Move {
  const migration = hosts.find((h) => h.id === from)?.capabilities.migration ?? 'cold';
  return {
    veeId: unit.vees[0]?.id ?? '',
    from,
    to,
    capacity: sum(unit.vees.map((v) => v.need)),
    stopGraceMillis: Math.max(...unit.vees.map((v) => v.stopGraceMillis)),
    mode: usualMode(migration),
  };
}

function told({ unit, from, to, because }: Step): BalanceMove {
  const [first] = unit.vees;
  return {
    serviceId: first?.serviceId ?? ('' as never),
    veeIds: unit.vees.map((v) => v.id),
    label: unit.vees.map((v) => `${v.serviceName}/${v.component}/${v.index}`).join(' + '),
    fromHostId: from,
    toHostId: to,
    because,
  };
}

const PACKING = 'By the placement policy, packing, hosts are meant to be loaded unevenly.';

const percent = (share: number) => `${Math.round(share * 100)} %`;

function reason(layout: Layout, from: HostId, to: HostId): string {
  const { dimension, load } = layout.peak(from);
  const what = DIMENSION_NAMES[DIMENSIONS[dimension] ?? 'cpuMillis'];
  return `${from} has ${percent(load)} of its ${what} in use, ${to} ${percent(layout.loadIn(to, dimension))}`;
}

function whyNothing({ policy }: BalanceQuestion, layout: Layout, before: number, after: number): string {
  if (policy.name === 'packing') return PACKING;
  if (layout.hosts.length < 2) return 'Fewer than two hosts are up and open.';
  const staying = fixedBy(layout);
  if (!layout.units.some((u) => !u.fixed)) return `No VEE may be moved now. ${staying}`.trim();
  const loads = `Loads differ by ${(before * 100).toFixed(1)} % of a host`;
  const why =
    after < before
      ? `${loads}, and what may move now would bring that to ${(after * 100).toFixed(1)} %: too little to move anything for.`
      : `${loads}, and no move that is allowed now would better that by what it costs.`;
  return `${why} ${staying}`.trim();
}

/** How many may not move, by reason, the most frequent first. */
function fixedBy({ units }: Pick<Layout, 'units'>): string {
  const fixed = units.flatMap((u) => (u.fixed ? u.vees.map(() => u.fixed ?? '') : []));
  if (fixed.length === 0) return '';
  const reasons = [...groupBy(fixed, (reason) => reason)].sort(([, a], [, b]) => b.length - a.length);
  return `Of the VEEs ${reasons.map(([reason, of]) => `${of.length} stay: ${reason}`).join('; ')}.`;
}
