import { setTimeout as delay } from 'node:timers/promises';
import { SluiceError } from '../../domain/errors';
import { type Escalation, escalationAt, escalationOfDisk } from '../../domain/migration/escalation';
import type { SendOptions, TransferProgress } from '../contract';
import type { QmpClient } from './qmp';

/** What is sent may take as long as it takes; but not stand still for so long. */
const PACE = { periodMillis: 500, stalledMillis: 300_000 };
/** Of a guest that is to be slowed down for good: half of its time at once, instead of a fifth and then more. */
const SLOWED = { 'cpu-throttle-initial': 50, 'cpu-throttle-increment': 25, 'max-cpu-throttle': 99 };
/** QEMU's own: what a machine was told for one migration must not be left over for another. */
export const NOT_SLOWED = {
  'cpu-throttle-initial': 20,
  'cpu-throttle-increment': 10,
  'max-cpu-throttle': 99,
};

interface Ram {
  readonly transferred: number;
  readonly remaining: number;
  readonly mbps: number;
  readonly 'dirty-pages-rate'?: number;
  readonly 'page-size'?: number;
}

/** What was done is not taken back before it is over. */
const STEPS: readonly Escalation[] = ['none', 'throttle', 'still'];

type Line = Pick<QmpClient, 'execute'>;

/**
 * Looks at a migration as it goes, tells how far it is, and hurries it where it has a deadline. Ends with the signal.
 * @param memoryBytes what is to be sent when its disk is there
 * @throws SluiceError `driver-failed` when nothing has been sent for long
 */
export async function watchTransfer(
  qmp: Line,
  how: SendOptions,
  memoryBytes: number,
  over: AbortSignal,
  { periodMillis, stalledMillis } = PACE,
): Promise<void> {
  const began = performance.now();
  let moved = { at: began, what: '' };
  let done: Escalation = 'none';
  /** Of a disk only how much is there is told, and that in jumps. */
  let first: { at: number; sentBytes: number } | undefined;
  while (!over.aborted) {
    await delay(periodMillis, undefined, { signal: over }).catch(() => undefined);
    // It may have ended, or its process may be gone: that is for those to see who wait for it.
    const seen = over.aborted ? undefined : await look(qmp).catch(() => undefined);
    if (over.aborted) return;
    const at = performance.now();
    const what = seen ? `${seen.phase} ${seen.sentBytes}` : moved.what;
    if (what !== moved.what) moved = { at, what };
    if (at - moved.at >= stalledMillis)
      throw new SluiceError(
        'driver-failed',
        `Nothing of it has been sent for ${Math.round(stalledMillis / 1_000)} s.`,
      );
    if (!seen) continue;
    const sent = first && seen.sentBytes - first.sentBytes;
    const measured = first && sent !== undefined ? (sent * 1_000) / Math.max(1, at - first.at) : undefined;
    const bytesPerSecond = Math.round(Math.max(0, seen.bytesPerSecond ?? measured ?? 0));
    if (seen.phase === 'disk') first ??= { at, sentBytes: seen.sentBytes };
    const { sentBytes, remainingBytes, phase, dirtyBytesPerSecond } = seen;
    const progress: TransferProgress = {
      ...{ phase, sentBytes, remainingBytes, bytesPerSecond, escalation: done },
      ...(dirtyBytesPerSecond === undefined ? {} : { dirtyBytesPerSecond }),
      ...remaining(remainingBytes, bytesPerSecond, dirtyBytesPerSecond),
    };
    how.onProgress?.(progress);
    if (how.deadlineMillis === undefined || phase === 'switch-over') continue;
    const underway = {
      ...{ elapsedMillis: at - began, deadlineMillis: how.deadlineMillis, remainingBytes },
      ...(bytesPerSecond > 0 ? { bytesPerSecond } : {}),
    };
    const wanted = phase === 'disk' ? escalationOfDisk(underway, memoryBytes) : escalationAt(underway);
    if (STEPS.indexOf(wanted) <= STEPS.indexOf(done)) continue;
    // What QEMU did not take is tried again at the next look.
    const refused = await escalate(qmp, wanted).catch(() => 'refused' as const);
    if (!refused) done = wanted;
  }
}

async function escalate(qmp: Line, to: Escalation): Promise<void> {
  if (to === 'throttle') await qmp.execute('migrate-set-parameters', SLOWED);
  if (to === 'still') await qmp.execute('stop');
}

/** About how long it takes yet; nothing where it would never end like this. */
function remaining(bytes: number, bytesPerSecond: number, dirtyBytesPerSecond = 0) {
  const left = bytesPerSecond - dirtyBytesPerSecond;
  return left > 0 ? { remainingMillis: Math.round((bytes / left) * 1_000) } : {};
}

async function look(qmp: Line): Promise<
  | (Omit<TransferProgress, 'bytesPerSecond' | 'remainingMillis' | 'escalation'> & {
      readonly bytesPerSecond?: number;
    })
  | undefined
> {
  const { status, ram } = await qmp.execute<{ status?: string; ram?: Ram }>('query-migrate');
  if (ram && status !== undefined && !['none', 'cancelled', 'failed'].includes(status)) {
    const rate = (ram['dirty-pages-rate'] ?? 0) * (ram['page-size'] ?? 4_096);
    return {
      phase: status === 'active' ? 'memory' : 'switch-over',
      sentBytes: ram.transferred,
      remainingBytes: ram.remaining,
      ...(ram.mbps > 0 ? { bytesPerSecond: (ram.mbps * 1_000_000) / 8 } : {}),
      dirtyBytesPerSecond: rate,
    };
  }
  const [job] = await qmp.execute<{ offset: number; len: number }[]>('query-block-jobs');
  return job && { phase: 'disk', sentBytes: job.offset, remainingBytes: job.len - job.offset };
}
