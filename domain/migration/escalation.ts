/**
 * What is done about a machine that has to be elsewhere by a deadline while it goes on writing its memory. First it is
 * slowed down, then it is stilled, and what is left is sent: that takes no longer than the link does.
 */
export type Escalation = 'none' | 'throttle' | 'still';

export interface Underway {
  readonly elapsedMillis: number;
  readonly deadlineMillis: number;
  /** What is to be sent yet; what is written meanwhile comes on top. */
  readonly remainingBytes: number;
  /** Absent until something was measured. */
  readonly bytesPerSecond?: number;
}

const THROTTLED_AFTER = 1 / 3;
const STILLED_AFTER = 2 / 3;
/** Some time is kept for the switch-over. */
const SHARE_FOR_SENDING = 0.9;

/**
 * The same while its disk is copied, after which all of its memory is to be sent. It can't be slowed down then, and is
 * stilled only when it would be late: only what it writes itself gets less by that.
 */
export function escalationOfDisk(
  { elapsedMillis, deadlineMillis, remainingBytes, bytesPerSecond }: Underway,
  memoryBytes: number,
): Escalation {
  if (!bytesPerSecond || elapsedMillis < deadlineMillis * THROTTLED_AFTER) return 'none';
  const needMillis = ((remainingBytes + memoryBytes) / bytesPerSecond) * 1_000;
  return elapsedMillis + needMillis >= deadlineMillis * SHARE_FOR_SENDING ? 'still' : 'none';
}

export function escalationAt({
  elapsedMillis,
  deadlineMillis,
  remainingBytes,
  bytesPerSecond,
}: Underway): Escalation {
  if (elapsedMillis >= deadlineMillis * STILLED_AFTER) return 'still';
  const needMillis = bytesPerSecond ? (remainingBytes / bytesPerSecond) * 1_000 : 0;
  const late = elapsedMillis + needMillis >= deadlineMillis * SHARE_FOR_SENDING;
  if (late && elapsedMillis >= deadlineMillis * THROTTLED_AFTER) return 'still';
  return late || elapsedMillis >= deadlineMillis * THROTTLED_AFTER ? 'throttle' : 'none';
}
