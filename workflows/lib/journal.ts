import { CancellationScope, log, proxyLocalActivities, sleep } from '@temporalio/workflow';
import type { SiteActivities } from '../../activities';
import type { OperationId } from '../../domain/ids';
import type { OperationProgress } from '../../domain/operation/operation';
import { site } from './activities';
import { isPatched } from './patches';

/** As operations that are older than the patch go on doing. */
const local = proxyLocalActivities<Pick<SiteActivities, 'reportOperation'>>({
  startToCloseTimeout: '5s',
  retry: { initialInterval: '200ms', maximumInterval: '2s' },
});

const RETRY_MILLIS = 1_000;

/**
 * Keeps the operation's record in the database up to date. One report is under way at a time; what changes
 * meanwhile goes into the next. So a hundred parallel steps cost a few reports rather than hundreds, and
 * nothing waits for them but the end.
 */
export class Journal {
  private readonly operationId: OperationId;
  private readonly startedAt: number;
  private readonly progress: (final: boolean) => OperationProgress;
  private revision = 0;
  private dirty = false;
  private writing: Promise<void> | undefined;

  /** @param progress as it is to be told now, or together with the end */
  constructor(operationId: OperationId, startedAt: number, progress: (final: boolean) => OperationProgress) {
    this.operationId = operationId;
    this.startedAt = startedAt;
    this.progress = progress;
  }

  changed(): void {
    this.dirty = true;
    this.writing ??= this.drain();
  }

  /** Writes the final state, and returns when it is there. */
  async close(endedAt: number): Promise<void> {
    await this.writing;
    for (;;) {
      try {
        return await this.write(endedAt);
      } catch (error) {
        // An end that nobody can read has not happened yet.
        log.error('the end of the operation could not be recorded; trying again', { error });
        await sleep(RETRY_MILLIS);
      }
    }
  }

  private async drain(): Promise<void> {
    // Let all that happens in this turn happen before it is written down.
    await Promise.resolve();
    while (this.dirty) {
      this.dirty = false;
      // A report that is lost is made good by the next one, and the last one is not given up.
      await this.write().catch((error) => log.warn('progress could not be recorded', { error }));
    }
    this.writing = undefined;
  }

  private write(endedAt?: number): Promise<void> {
    this.revision++;
    const report = {
      operationId: this.operationId,
      revision: this.revision,
      progress: this.progress(endedAt !== undefined),
      startedAt: this.startedAt,
      ...(endedAt === undefined ? {} : { endedAt }),
    };
    if (!isPatched('journalActivity')) return local.reportOperation(report);
    // What changed may have changed in a part that is cancelled next: that it did is told all the same.
    return CancellationScope.nonCancellable(() => site.reportOperation(report));
  }
}
