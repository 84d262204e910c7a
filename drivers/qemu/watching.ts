import { setTimeout as delay } from 'node:timers/promises';
import { type Escalation, escalationAt } from '../../domain/migration/escalation';
import type { SendOptions, TransferProgress } from '../contract';
import type { QmpClient } from './qmp';

const PERIOD_MILLIS = 500;
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

/** Looks at a migration as it goes, tells how far it is, and hurries it where it has a deadline. Ends with the signal. */
export async function watchTransfer(qmp: Line, how: SendOptions, over: AbortSignal): Promise<void> {
  if (!how.onProgress && how.deadlineMillis === undefined) return;
  const began = performance.now();
  let done: Escalation = 'none';
  /** Of a disk only how much is there is told, and that in jumps. */
  let first: { at: number; sentBytes: number } | undefined;
  while (!over.aborted) {
    await delay(PERIOD_MILLIS, undefined, { signal: over }).catch(() => undefined);
    // It may have ended, or its process may be gone: that is for those to see who wait for it.
    const seen = over.aborted ? undefined : await look(qmp).catch(() => undefined);
    if (!seen || over.aborted) continue;
    const at = performance.now();
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
    if (how.deadlineMillis === undefined || phase !== 'memory') continue;
    const wanted = escalationAt({
      ...{ elapsedMillis: at - began, deadlineMillis: how.deadlineMillis, remainingBytes },
      ...(bytesPerSecond > 0 ? { bytesPerSecond } : {}),
    });
    if (STEPS.indexOf(wanted) <= STEPS.indexOf(done)) continue;
    await escalate(qmp, wanted).catch(() => undefined);
    done = wanted;
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
