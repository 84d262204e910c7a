import type { HostId } from '../ids';
import type { Capacity } from '../units';
import { estimateMigration, type MigrationBudget, type MigrationMode } from './estimate';

/** One VEE's way from one host to another. */
export interface Move {
  readonly veeId: string;
  readonly from: HostId;
  readonly to: HostId;
  readonly capacity: Capacity;
  readonly licences?: readonly string[] | undefined;
  readonly stopGraceMillis: number;
  readonly mode: MigrationMode;
  /** Of this VEE, as measured; the site's setting counts where it is absent. */
  readonly dirtyKbps?: number | undefined;
}

export interface Schedule {
  /** Indices of the moves: those of a wave run side by side, a later wave only after it. */
  readonly waves: readonly (readonly number[])[];
  /** About how long each of them takes. */
  readonly waveMillis: readonly number[];
  readonly totalMillis: number;
}

/**
 * Puts moves into waves so that no host's link carries more of them at once than leave each its share, keeping
 * their order. The time of a wave is about that of its slowest move at the rate that is left to it.
 * @param notBefore the first wave that a move may be in, by what those before it are in
 */
export function scheduleMoves(
  moves: readonly Move[],
  budget: MigrationBudget,
  notBefore: (index: number, waveOf: readonly number[]) => number = () => 0,
): Schedule {
  const most = Math.max(1, Math.floor(budget.linkKbps / budget.streamKbps));
  const waves: number[][] = [];
  const loads: Map<HostId, number>[] = [];
  const room = (wave: number, host: HostId) => (loads[wave]?.get(host) ?? 0) < most;
  const waveOf: number[] = [];
  moves.forEach(({ from, to }, index) => {
    const first = notBefore(index, waveOf);
    let wave = waves.findIndex((_, w) => w >= first && room(w, from) && room(w, to));
    if (wave < 0) {
      wave = waves.push([]) - 1;
      loads.push(new Map());
    }
    waves[wave]?.push(index);
    waveOf.push(wave);
    // One that is not decided yet has its source for a target, and passes that link once all the same.
    for (const host of new Set([from, to])) loads[wave]?.set(host, (loads[wave]?.get(host) ?? 0) + 1);
  });
  const waveMillis = waves.map((wave) => millisOfWave(moves, wave, budget));
  return { waves, waveMillis, totalMillis: waveMillis.reduce((sum, millis) => sum + millis, 0) };
}

/** What one of so many over a link may send. */
const rateOf = ({ linkKbps, mostKbps = linkKbps }: MigrationBudget, sharing: number) =>
  Math.max(1, Math.floor(Math.min(linkKbps / sharing, mostKbps)));

/** What each may send beside those of its wave: its rate is that of the fuller of its two links. */
function ratesInWave(
  moves: readonly Move[],
  wave: readonly number[],
  budget: MigrationBudget,
): readonly { readonly move: Move; readonly kbps: number }[] {
  const members = wave.flatMap((index) => moves[index] ?? []);
  const load = new Map<HostId, number>();
  // One that is not decided yet has its source for a target, and passes that link once all the same.
  for (const { from, to } of members)
    for (const host of new Set([from, to])) load.set(host, (load.get(host) ?? 0) + 1);
  return members.map((move) => {
    const sharing = Math.max(load.get(move.from) ?? 1, load.get(move.to) ?? 1);
    return { move, kbps: rateOf(budget, sharing) };
  });
}

/** One that writes its memory faster than it is sent in its wave, if there is any: only stilling it ends that. */
function firstDiverging(moves: readonly Move[], { waves }: Schedule, budget: MigrationBudget) {
  return waves
    .flatMap((wave) => ratesInWave(moves, wave, budget))
    .find(({ move: { mode, dirtyKbps }, kbps }) => mode === 'pre-copy' && (dirtyKbps ?? 0) >= kbps);
}

function millisOfWave(moves: readonly Move[], wave: readonly number[], budget: MigrationBudget): number {
  return Math.max(
    0,
    ...ratesInWave(moves, wave, budget).map(({ move, kbps }) => {
      const { capacity, mode, stopGraceMillis } = move;
      const dirtyKbps = move.dirtyKbps ?? budget.dirtyKbps;
      return estimateMigration(capacity, mode, kbps, stopGraceMillis, dirtyKbps).totalMillis;
    }),
  );
}

export type DeadlineVerdict =
  | { readonly kind: 'met'; readonly schedule: Schedule; readonly moves: readonly Move[] }
  | { readonly kind: 'escalated'; readonly schedule: Schedule; readonly moves: readonly Move[] }
  | {
      readonly kind: 'unmeetable';
      readonly needMillis: number;
      readonly quickestMillis: number;
      /** One that was measured to write its memory faster than it can be sent, at `kbps`, beside those of its wave. */
      readonly diverging?: { readonly move: Move; readonly kbps: number };
    };

/** What can't be met, in words. */
export function describeUnmeetable(
  count: number,
  { needMillis, quickestMillis, diverging }: Extract<DeadlineVerdict, { kind: 'unmeetable' }>,
  deadlineMillis: number | undefined,
): string {
  if (diverging)
    return `${diverging.move.veeId} writes its memory at ${diverging.move.dirtyKbps} kbit/s, faster than it can be sent (${diverging.kbps} kbit/s): as it runs there is no end to it. Stilled meanwhile about ${quickestMillis} ms would do; the deadline is ${deadlineMillis} ms.`;
  const what = count === 1 ? 'It needs' : `All ${count} need`;
  return `${what} about ${needMillis} ms, ${quickestMillis} ms when stilled meanwhile; the deadline is ${deadlineMillis} ms.`;
}

/**
 * Can all be over within the deadline? If not as usual, then perhaps by stilling the VEEs that run while they are
 * sent; whether that may be done is the asking party's to say.
 */
export function meetDeadline(
  moves: readonly Move[],
  budget: MigrationBudget,
  deadlineMillis: number | undefined,
  onDeadline: 'refuse' | 'escalate',
): DeadlineVerdict {
  const schedule = scheduleMoves(moves, budget);
  const diverging = firstDiverging(moves, schedule, budget);
  if (deadlineMillis === undefined || (!diverging && schedule.totalMillis <= deadlineMillis))
    return { kind: 'met', schedule, moves };
  const stilled = moves.map((m): Move => (m.mode === 'pre-copy' ? { ...m, mode: 'stop-and-copy' } : m));
  const quicker = scheduleMoves(stilled, budget);
  if (onDeadline === 'escalate' && quicker.totalMillis <= deadlineMillis)
    return { kind: 'escalated', schedule: quicker, moves: stilled };
  const [needMillis, quickestMillis] = [schedule.totalMillis, quicker.totalMillis];
  return { kind: 'unmeetable', needMillis, quickestMillis, ...(diverging ? { diverging } : {}) };
}
