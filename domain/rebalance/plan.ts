import { groupBy } from '../group-by';
import { usualMode } from '../migration/estimate';
import { type Move, scheduleMoves } from '../migration/waves';
import { goalOf, packs } from '../placement/built-in-policies';
import { isOfHost } from '../placement/constraints';
import { solveAlone } from '../placement/optimize/portfolio';
import type { Solve } from '../placement/optimize/solver';
import type { Goal } from '../placement/policy';
import { sum } from '../units';
import { changedSince } from './confirm';
import { nothingSaved, pointless } from './confirm-freeing';
import { type Consolidated, consolidate } from './consolidate';
import { distanceOf } from './distance';
import { evenOut } from './even-out';
import { movesThatKeepSpare } from './keep-spare';
import { Layout } from './layout';
import {
  type BalanceMove,
  type BalancePlan,
  type BalanceQuestion,
  HOST_WORTH,
  LEAST_GAIN,
  type Stay,
} from './model';
import { hostsInUse, isPriced, paybackOf, priceOfMoves, whyNothingCheaper } from './pricing';
import { worthOfMove } from './problem';
import type { Step } from './step';
import type { BalanceUnit } from './unit';

/**
 * Which VEEs to send where so that the site is nearer to what its policy wants: hosts that are loaded evenly, or few of them
 * in use (RESERVOIR's policies of load balancing and of power saving, seed 002 §2.2.6). Moves are in an order in which no
 * step breaks a capacity or a constraint. None at all when the whole would gain too little.
 * @param solve of hosts that are to be freed: one search unless it is told otherwise
 */
export function planRebalance(question: BalanceQuestion, solve: Solve = solveAlone): BalancePlan {
  let layout = new Layout(question);
  const goal = goalOf(question.policy);
  const { parameters } = question.policy;
  const before = distanceOf(layout, goal, parameters);
  if (goal === 'none')
    return {
      ...{ goal, before, after: before, moves: [], waves: [], estimatedMillis: 0, interrupted: 0 },
      because: `Under the placement policy ${question.policy.name} nothing is moved only to even out or to free hosts.`,
    };
  const uneven = layout.unevenness();
  const usedBefore = hostsInUse(layout);
  const worth = worthOfMove(layout, question);
  const found: Consolidated = packs(goal)
    ? consolidate(layout, question, solve)
    : { steps: evenOut(layout, question), blocked: 0 };
  const { optimality } = found;
  const steps = keepingSpare(question, goal, found.steps);
  const isCut = steps.length < found.steps.length;
  if (isCut) layout = laidOut(question, steps);
  const after = distanceOf(layout, goal, parameters);
  const price = isPriced(goal) ? priceOfMoves(steps, question, worth) : 0;
  const enough = packs(goal) ? before - after > price : uneven - layout.unevenness() >= LEAST_GAIN;
  const cut = veesOf(found.steps) - veesOf(steps);
  const avoided = avoidedBy(layout, found, { made: enough ? veesOf(steps) : 0, cut }, question.mostMoves);
  const told = { goal, before, avoided, ...(optimality ? { optimality } : {}) };
  if (!enough) {
    const nothing = { after: before, moves: [], waves: [], estimatedMillis: 0, interrupted: 0 };
    return {
      ...told,
      ...nothing,
      because: isCut ? CUT_FOR_SPARE : whyNothing(layout, goal, before, after, found, question.mostMoves),
    };
  }
  const { waves, totalMillis: estimatedMillis } = inWaves(steps, question);
  const staying = [stayingOf(layout, found), isCut ? CUT_FOR_SPARE : ''].filter((s) => s).join(' ');
  return {
    ...told,
    after,
    ...(isPriced(goal) ? { hostsInUse: { before: usedBefore, after: hostsInUse(layout) } } : {}),
    ...(goal === 'cost' ? { payback: paybackOf(steps, question) } : {}),
    moves: steps.map(asMove),
    waves,
    estimatedMillis,
    interrupted: steps
      .filter((s) => asOne(s, question).mode !== 'pre-copy')
      .reduce((n, s) => n + s.unit.vees.length, 0),
    ...(staying ? { because: staying } : {}),
  };
}

const CUT_FOR_SPARE = 'More moves would take the room that is kept for losses.';

/** Those that leave the room for losses, and of these only what is to some purpose without the others. */
function keepingSpare(question: BalanceQuestion, goal: Goal, steps: readonly Step[]): readonly Step[] {
  const sent = (of: readonly Step[]) =>
    of.map(({ unit, to }) => ({ veeIds: unit.vees.map((v) => v.id), to }));
  const kept = steps.slice(0, movesThatKeepSpare(question, sent(steps)));
  if (!packs(goal) || kept.length === steps.length) return kept;
  const moves = kept.map(asMove);
  const dropped = pointless(question, moves, moves);
  const useful = kept.filter((_, n) => !dropped.has(moves[n] as BalanceMove));
  return movesThatKeepSpare(question, sent(useful)) === useful.length ? useful : [];
}

/** Once these are made. */
function laidOut(question: BalanceQuestion, steps: readonly Step[]): Layout {
  const layout = new Layout(question);
  const unitOf = new Map(layout.units.flatMap((u) => u.vees.map((v) => [v.id, u] as const)));
  for (const { unit, to } of steps) {
    const same = unitOf.get(unit.vees[0]?.id ?? ('' as never));
    if (same) layout.move(same, to);
  }
  return layout;
}

/**
 * Of moves that were planned a while ago, and none of which has begun: which may still be made, in this order, and better
 * the site as it is now.
 * @param plan what they are part of: its goal, and those of its moves that are not over yet
 */
export function confirmMoves(
  question: Omit<BalanceQuestion, 'mostMoves'>,
  moves: readonly BalanceMove[],
  plan: Pick<BalancePlan, 'goal' | 'moves'> = { moves },
): Confirmation[] {
  return withSpare(question, moves, confirmed(question, moves, plan));
}

type Confirmation = { readonly go: true } | { readonly go: false; readonly because: string };

/** Others may have taken, since they were planned, the room that they would have left. */
function withSpare(
  question: Omit<BalanceQuestion, 'mostMoves'>,
  moves: readonly BalanceMove[],
  confirmations: Confirmation[],
): Confirmation[] {
  const going = moves.filter((_, n) => confirmations[n]?.go);
  const sent = going.map((m) => ({ veeIds: m.veeIds, to: m.toHostId }));
  const kept = new Set(going.slice(0, movesThatKeepSpare(question, sent)));
  const because = 'it would take the room that is kept for losses';
  return confirmations.map((c, n) =>
    c.go && !kept.has(moves[n] as BalanceMove) ? { go: false, because } : c,
  );
}

function confirmed(
  question: Omit<BalanceQuestion, 'mostMoves'>,
  moves: readonly BalanceMove[],
  plan: Pick<BalancePlan, 'goal' | 'moves'>,
): Confirmation[] {
  const goal = goalOf(question.policy);
  // It may have been set since.
  if (goal !== (plan.goal ?? 'even'))
    return moves.map(() => ({ go: false, because: `the placement policy is ${question.policy.name} now` }));
  if (packs(goal)) {
    const dropped = pointless(question, moves, plan.moves);
    if (isPriced(goal)) nothingSaved(question, moves, plan.moves, dropped);
    return moves.map((move) => {
      const because = dropped.get(move);
      return because === undefined ? { go: true } : { go: false, because };
    });
  }
  const layout = new Layout(question);
  const byVee = new Map(layout.units.flatMap((unit) => unit.vees.map((v) => [v.id, unit] as const)));
  return moves.map((move) => {
    const unit = byVee.get(move.veeIds[0] ?? ('' as never));
    const because = unit ? unfit(layout, unit, move) : 'it is gone';
    if (!unit || because) return { go: false, because: because ?? 'it is gone' };
    layout.move(unit, move.toHostId);
    return { go: true };
  });
}

function unfit(layout: Layout, unit: BalanceUnit, move: BalanceMove): string | undefined {
  const changed = changedSince(layout, unit, move) ?? layout.refusal(unit, move.toHostId);
  if (changed) return changed;
  return layout.gain(unit, move.toHostId) > 0 ? undefined : 'it would better nothing any more';
}

/**
 * As many side by side as the links carry, and in an order in which each is worth what it was when it was chosen: none
 * before one that it shares a host with, and none together with one that has to make room for it.
 */
function inWaves(steps: readonly Step[], question: BalanceQuestion) {
  const moves = steps.map((step) => asOne(step, question));
  const byZone = new Set(
    question.constraints.flatMap((c) => (!isOfHost(c) && c.level === 'zone' ? [c.serviceId] : [])),
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

function asMove({ unit, from, to, because, frees, makesRoom, opens, cheaper }: Step): BalanceMove {
  const [first] = unit.vees;
  return {
    serviceId: first?.serviceId ?? ('' as never),
    veeIds: unit.vees.map((v) => v.id),
    label: unit.vees.map((v) => `${v.serviceName}/${v.component}/${v.index}`).join(' + '),
    fromHostId: from,
    toHostId: to,
    because,
    ...(frees ? { frees } : {}),
    ...(makesRoom ? { makesRoom } : {}),
    ...(opens ? { opens } : {}),
    ...(cheaper ? { cheaper } : {}),
  };
}

function whyNothing(
  layout: Layout,
  goal: Goal,
  before: number,
  after: number,
  found: Pick<Consolidated, 'blocked'>,
  mostMoves: number,
): string {
  if (layout.hosts.length < 2) return 'Fewer than two hosts are up and open.';
  const staying = stayingOf(layout, found);
  if (!layout.units.some((u) => !u.fixed)) return `No VEE may be moved now. ${staying}`.trim();
  if (isPriced(goal)) return [whyNothingCheaper(layout, goal, before), staying].join(' ').trim();
  if (goal === 'few-hosts') {
    const inUse = `${before} of the ${layout.hosts.length} hosts that are open are in use`;
    const worth = `${mostMoves} moves, of which a free host is worth ${HOST_WORTH}`;
    return `${inUse}. ${staying ? `${staying} ` : ''}What may move now frees none within the room, the rules and ${worth}.`;
  }
  const loads = `Loads differ by ${(before * 100).toFixed(1)} % of a host`;
  const why =
    after < before
      ? `${loads}, and what may move now would bring that to ${(after * 100).toFixed(1)} %: too little to move anything for.`
      : `${loads}, and no move that is allowed now would better that by what it costs.`;
  return `${why} ${staying}`.trim();
}

/** How many stay, by reason, the most frequent first. */
function stayingOf(layout: Pick<Layout, 'units'>, found: Pick<Consolidated, 'blocked'>): string {
  const told = staysOf(layout, found).map(({ vees, because }) => `${vees} stay: ${because}`);
  return told.length === 0 ? '' : `Of the VEEs ${told.join('; ')}.`;
}

function staysOf({ units }: Pick<Layout, 'units'>, { blocked }: Pick<Consolidated, 'blocked'>): Stay[] {
  const fixed = units.flatMap((u) => (u.fixed ? u.vees.map(() => u.fixed ?? '') : []));
  const reasons = [...groupBy(fixed, (reason) => reason)].sort(([, a], [, b]) => b.length - a.length);
  const stays = reasons.map(([because, of]): Stay => ({ vees: of.length, because }));
  if (blocked > 0) stays.push({ vees: blocked, because: 'each could go only once another had' });
  return stays;
}

const veesOf = (steps: readonly Step[]): number => steps.reduce((n, s) => n + s.unit.vees.length, 0);

/** What may move, and yet does not, is counted as well. */
function avoidedBy(
  layout: Layout,
  found: Consolidated,
  { made, cut }: { readonly made: number; readonly cut: number },
  mostMoves: number,
): Stay[] {
  const open = new Set(layout.hosts.map((h) => h.id));
  const movable = layout.units.filter((u) => !u.fixed && open.has(layout.hostOf(u)));
  const idle = movable.reduce((n, u) => n + u.vees.length, 0) - made - cut - found.blocked;
  const worthLess = `to move it would gain less than it costs, within ${mostMoves} moves`;
  return [
    ...staysOf(layout, found),
    ...(cut > 0 ? [{ vees: cut, because: 'to move it would take the room that is kept for losses' }] : []),
    ...(idle > 0 ? [{ vees: idle, because: worthLess }] : []),
  ].sort((a, b) => b.vees - a.vees);
}
