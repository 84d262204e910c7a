import {
  ActivityFailure,
  ApplicationFailure,
  CancelledFailure,
  ChildWorkflowFailure,
  TimeoutFailure,
} from '@temporalio/workflow';
import { type ErrorSummary, isErrorCode } from '../../domain/errors';

/** The operator asked for it, or Temporal's own cancel did. */
export class CancelledByRequest extends Error {
  constructor() {
    super('The operation was cancelled.');
    this.name = 'CancelledByRequest';
  }
}

/** The operator chose `abort` on a stuck step. */
export class Aborted extends Error {
  readonly summary: ErrorSummary;
  constructor(summary: ErrorSummary) {
    super(summary.detail);
    this.name = 'Aborted';
    this.summary = summary;
  }
}

/** Had somebody begun with it? Then nobody knows how far it came. */
function wasTakenUp({ timeoutType, failure }: TimeoutFailure): boolean {
  if (timeoutType === 'START_TO_CLOSE' || timeoutType === 'HEARTBEAT') return true;
  // All attempts together took too long. What ended the last one is in the server's own words only (SDK 1.24).
  return failure?.cause?.timeoutFailureInfo != null;
}

/** What is told of a failure: a code of ours and a public detail, never a stack. */
export function summarise(error: unknown): ErrorSummary {
  if (error instanceof ActivityFailure || error instanceof ChildWorkflowFailure)
    return summarise(error.cause ?? new Error(error.message));
  if (error instanceof ApplicationFailure && isErrorCode(error.type))
    return { code: error.type, detail: error.message };
  if (error instanceof TimeoutFailure)
    return wasTakenUp(error)
      ? {
          code: 'outcome-unknown',
          detail: 'It was taken up and not answered in time: it may have been done.',
        }
      : { code: 'host-unreachable', detail: 'No answer within the time that the operation waits for one.' };
  if (error instanceof CancelledByRequest || error instanceof CancelledFailure)
    return { code: 'cancelled', detail: 'The operation was cancelled.' };
  if (error instanceof Aborted) return error.summary;
  return { code: 'internal', detail: 'Something unexpected happened; the worker’s log has the cause.' };
}
