import { type Context, log } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type {
  ActivityExecuteInput,
  ActivityInboundCallsInterceptor,
  ActivityInterceptors,
  Next,
} from '@temporalio/worker';
import { SluiceError } from '../domain/errors';
import { asStoreError } from '../store/connect';
import { sendHeartbeat } from './transfer-progress';

const BEAT_MILLIS = 800;
/** An error we did not foresee is a bug: it gets a few tries, in case it passes, and then is reported. */
const UNFORESEEN_ATTEMPTS = 5;

/** For tests: where an activity can be made to fail, hang or die. See `process/fault-points.ts`. */
export interface Faults {
  /** @returns to be called when the activity has had its effect */
  reach(activity: string, workflowId: string): Promise<() => Promise<void>>;
}

/**
 * What every activity gets: a heartbeat, so that a dead worker is noticed in seconds; errors in our closed
 * enumeration, with Temporal's retry decided by its table; and, in tests only, fault points.
 */
export function activityInterceptor(faults?: Faults) {
  return (context: Context): ActivityInterceptors => ({ inbound: new EveryActivity(context, faults) });
}

class EveryActivity implements ActivityInboundCallsInterceptor {
  private readonly context: Context;
  private readonly faults: Faults | undefined;

  constructor(context: Context, faults: Faults | undefined) {
    this.context = context;
    this.faults = faults;
  }

  async execute(
    input: ActivityExecuteInput,
    next: Next<ActivityInboundCallsInterceptor, 'execute'>,
  ): Promise<unknown> {
    const { activityType, workflowExecution } = this.context.info;
    const workflowId = workflowExecution?.workflowId ?? '';
    const beat = setInterval(() => sendHeartbeat(this.context), BEAT_MILLIS);
    try {
      const done = await this.faults?.reach(activityType, workflowId);
      const result = await next(input);
      await done?.();
      return result;
    } catch (error) {
      throw this.translate(error);
    } finally {
      clearInterval(beat);
    }
  }

  private translate(thrown: unknown): unknown {
    const error = asStoreError(thrown);
    if (error instanceof SluiceError)
      return ApplicationFailure.create({
        message: error.message,
        type: error.code,
        nonRetryable: !error.retryable,
      });
    if (error instanceof ApplicationFailure || this.context.cancellationSignal.aborted) return error;
    log.error('activity failed unexpectedly', { error });
    const nonRetryable = this.context.info.attempt >= UNFORESEEN_ATTEMPTS;
    return ApplicationFailure.create({
      message: 'Something unexpected happened; the worker’s log has the cause.',
      type: 'internal',
      nonRetryable,
    });
  }
}
