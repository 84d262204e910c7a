import { SluiceError } from '../errors';
import type { HostRecord, ReportedVee } from '../host';
import type { VeeId } from '../ids';
import type { OperationParams } from '../operation/operation';
import type { Capacity } from '../units';
import type { VeeRecord } from '../vee/vee';
import { type MigrationBudget, type MigrationMode, usualMode } from './estimate';
import { describeUnmeetable, meetDeadline } from './waves';

/** As its host has measured it last; undefined where it has not. */
export const dirtyRateOf = (
  id: VeeId,
  source: { readonly reported?: readonly ReportedVee[] } | undefined,
): number | undefined => source?.reported?.find((r) => r.veeId === id)?.dirtyKbps;

/**
 * How one VEE is to be moved so that a deadline is met, and about how long that takes: a group of one, by the rule of
 * all groups. To which host it goes need not be decided yet.
 * @throws SluiceError `deadline-unmeetable`
 */
export function planSingleMove(
  { id, hostId, template }: VeeRecord,
  source: HostRecord,
  budget: MigrationBudget,
  { deadlineMillis, onDeadline = 'refuse' }: Pick<OperationParams, 'deadlineMillis' | 'onDeadline'>,
): { readonly mode: MigrationMode; readonly estimatedMillis: number } {
  const { capacity, stopGraceMillis } = template;
  const mode = usualMode(source.fingerprint.capabilities.migration);
  const dirtyKbps = dirtyRateOf(id, source);
  const move = { veeId: id, from: hostId, to: hostId, capacity, stopGraceMillis, mode, dirtyKbps };
  const verdict = meetDeadline([move], budget, deadlineMillis, onDeadline);
  if (verdict.kind === 'unmeetable')
    throw new SluiceError('deadline-unmeetable', describeUnmeetable(1, verdict, deadlineMillis), {
      pointer: '/deadlineMillis',
    });
  return { mode: verdict.moves[0]?.mode ?? mode, estimatedMillis: verdict.schedule.totalMillis };
}

/** An estimate knows nothing of other work, nor of a disk that is written meanwhile. */
const ALLOWED_TIMES = 4;

/**
 * What the sending of one VEE may take: of the link what the site says, of time what was asked for, if it may be hurried.
 * `allowMillis` is what it gets beside the usual time of a step: a large disk over a narrow link is no failure.
 * `deadlineAt` is that of the first attempt, and of all that come after it.
 * @param from when the deadline began, and how much of it belongs to those that are moved after this one
 */
export function sendLimits(
  { memoryMiB, diskMiB }: Pick<Capacity, 'memoryMiB' | 'diskMiB'>,
  { linkKbps, streamKbps, mostKbps }: MigrationBudget,
  { deadlineMillis, onDeadline }: Pick<OperationParams, 'deadlineMillis' | 'onDeadline'>,
  { beganAt, laterMillis = 0 }: { readonly beganAt: number; readonly laterMillis?: number },
): {
  readonly bandwidthKbps?: number;
  /** For agents of earlier releases, which count it from the beginning of each attempt. */
  readonly deadlineMillis?: number;
  readonly deadlineAt?: number;
  readonly allowMillis: number;
} {
  const kbps = Math.min(linkKbps, streamKbps, mostKbps ?? linkKbps);
  const by = (millis: number) => ({ deadlineMillis: Math.max(1, millis), deadlineAt: beganAt + millis });
  return {
    allowMillis: Math.ceil((ALLOWED_TIMES * (memoryMiB + diskMiB) * 1_048_576 * 8) / kbps),
    ...(mostKbps === undefined ? {} : { bandwidthKbps: mostKbps }),
    ...(deadlineMillis !== undefined && onDeadline === 'escalate' ? by(deadlineMillis - laterMillis) : {}),
  };
}

/** Of a deadline, what is left at that moment; never more than it was, for clocks of hosts differ. */
export const leftUntil = (
  { deadlineAt, deadlineMillis }: { readonly deadlineAt?: number; readonly deadlineMillis?: number },
  now: number,
): { readonly deadlineMillis?: number } => {
  if (deadlineMillis === undefined) return {};
  const left = deadlineAt === undefined ? deadlineMillis : Math.min(deadlineMillis, deadlineAt - now);
  return { deadlineMillis: Math.max(1, left) };
};
