import type { HostId } from '../ids';
import { goalOf } from '../placement/built-in-policies';
import { changedSince } from './confirm';
import { distanceOf } from './distance';
import { Layout } from './layout';
import type { BalanceMove, BalanceQuestion } from './model';
import { priceOfMoves } from './pricing';
import { worthOfMove } from './problem';
import type { BalanceUnit } from './unit';

/**
 * Which of the moves that are to free hosts are not to be made any more, and why: a host on which one stays does not come
 * free, so the others need not leave it, and nobody has to make room for them.
 * @param next the moves of this wave, whose targets are known
 * @param toCome these, and those of later waves
 */
export function pointless(
  question: Omit<BalanceQuestion, 'mostMoves'>,
  next: readonly BalanceMove[],
  toCome: readonly BalanceMove[],
): Map<BalanceMove, string> {
  const dropped = new Map<BalanceMove, string>();
  // Each round drops one at least, or is the last.
  for (let before = -1; before < dropped.size; ) {
    before = dropped.size;
    dropOnce(new Layout(question), next, toCome, dropped);
  }
  return dropped;
}

/**
 * Drops those of this wave, too, where all that are left of a plan save no more than they cost: hosts may have other prices by
 * now, or what made it worth it was dropped.
 */
export function nothingSaved(
  question: Omit<BalanceQuestion, 'mostMoves'>,
  next: readonly BalanceMove[],
  toCome: readonly BalanceMove[],
  dropped: Map<BalanceMove, string>,
): void {
  const layout = new Layout(question);
  const goal = goalOf(question.policy);
  const unitOf = new Map(layout.units.flatMap((u) => u.vees.map((v) => [v.id, u] as const)));
  const before = distanceOf(layout, goal, question.policy.parameters);
  const worth = worthOfMove(layout, question);
  const ways = toCome.flatMap((move) => {
    const unit = unitOf.get(move.veeIds[0] ?? ('' as never));
    return unit && !dropped.has(move) ? [{ unit, from: layout.hostOf(unit), to: move.toHostId }] : [];
  });
  for (const { unit, to } of ways) layout.move(unit, to);
  const after = distanceOf(layout, goal, question.policy.parameters);
  if (before - after > priceOfMoves(ways, question, worth)) return;
  for (const move of next)
    if (!dropped.has(move)) dropped.set(move, 'it would save no more than it costs any more');
}

function dropOnce(
  layout: Layout,
  next: readonly BalanceMove[],
  toCome: readonly BalanceMove[],
  dropped: Map<BalanceMove, string>,
): void {
  const unitOf = new Map(layout.units.flatMap((u) => u.vees.map((v) => [v.id, u] as const)));
  const going = new Map<BalanceMove, BalanceUnit>();
  for (const move of toCome) {
    if (dropped.has(move)) continue;
    const unit = unitOf.get(move.veeIds[0] ?? ('' as never));
    const because = unit ? changedSince(layout, unit, move) : 'it is gone';
    if (unit && because === undefined) going.set(move, unit);
    else dropped.set(move, because ?? 'it is gone');
  }
  const leftOn = (hostId: HostId) =>
    layout
      .usedOf(hostId)
      .map((used, d) =>
        [...going].reduce((n, [m, unit]) => (m.fromHostId === hostId ? n - (unit.needs[d] ?? 0) : n), used),
      );
  const comesFree = (hostId: HostId) => leftOn(hostId).every((n) => n <= 0);
  for (const move of [...going.keys()]) {
    const because = whyPointless(move, [...going.keys()], comesFree);
    if (because === undefined) continue;
    dropped.set(move, because);
    going.delete(move);
  }
  for (const move of next) {
    const unit = going.get(move);
    if (!unit) continue;
    const refusal = layout.refusal(unit, move.toHostId);
    if (refusal) dropped.set(move, refusal);
    else layout.move(unit, move.toHostId);
  }
}

function whyPointless(
  move: BalanceMove,
  going: readonly BalanceMove[],
  comesFree: (hostId: HostId) => boolean,
): string | undefined {
  if (move.frees && !comesFree(move.fromHostId)) return `${move.fromHostId} would not be free any more`;
  if (move.makesRoom && !going.some((m) => m.toHostId === move.fromHostId))
    return `nothing goes to ${move.fromHostId} any more`;
  if (!move.opens && comesFree(move.toHostId)) return `nothing else is on ${move.toHostId} any more`;
  return undefined;
}
