import {
  ActivityCancellationType,
  type ActivityOptions,
  proxyActivities,
  workflowInfo,
} from '@temporalio/workflow';
import type { AgentActivities, SiteActivities } from '../../activities';
import { type HostId, waitTaskQueue } from '../../domain/ids';
import type { OperationTiming } from '../../domain/operation/operation';
import type { Readiness } from '../../domain/vee/vee';
import type { VeeRef } from '../../drivers/contract';

/**
 * Every activity beats by itself (see `activities/interceptor.ts`), so a dead worker is noticed within
 * `heartbeatTimeout`, whatever the activity may take.
 */
const HEARTBEAT: Pick<ActivityOptions, 'heartbeatTimeout'> = { heartbeatTimeout: '3s' };
const RETRY = { initialInterval: '200ms', backoffCoefficient: 1.6, maximumInterval: '2s' } as const;

/** Site activities that wait, or compute for long in a large site: `site` has no room for those. */
type Wait =
  | 'awaitOperation'
  | 'awaitSettled'
  | 'cancelChild'
  | 'confirmRebalance'
  | 'fenceHost'
  | 'measureRebalanced'
  | 'openSite'
  | 'planRebalance'
  | 'seekImbalance'
  | 'seekLeases'
  | 'verifyDrained'
  | 'watchSite';

/**
 * Activities of the site worker. They are tried until they succeed or fail for good: while the database is
 * away nothing may be undone because of that, and on its return work goes on by itself (invariant 9).
 */
export const site = proxyActivities<Omit<SiteActivities, Wait>>({
  ...HEARTBEAT,
  startToCloseTimeout: '20s',
  retry: RETRY,
});

/**
 * Waits of the site worker: for another operation, for hosts, for a fencing command, which have limits of their own.
 * The limit here lies beyond those, or a wait would be begun anew for ever and never say that it was in vain. They have
 * a queue of their own: however many wait, what they wait for must find a free place.
 */
export const siteWait = (): Pick<SiteActivities, Wait> =>
  proxyActivities<Pick<SiteActivities, Wait>>({
    ...HEARTBEAT,
    taskQueue: waitTaskQueue(workflowInfo().taskQueue),
    startToCloseTimeout: '1h',
    retry: RETRY,
  });

/** A host, and the queue of the agent that it is asked through. */
export interface OnAgent {
  readonly hostId: HostId;
  readonly agentQueue: string;
}

/**
 * Verbs on one host; `summary` is what Temporal's UI shows of them. An agent that is away is waited for up to
 * `giveUpMillis`; a driver that answers and fails gets a bounded number of tries. A verb that stops a VEE may
 * take its grace time on top.
 */
export function onHost(
  agentQueue: string,
  timing: OperationTiming,
  summary: string,
  graceMillis = 0,
  cancelling: Pick<ActivityOptions, 'cancellationType'> = {},
): AgentActivities {
  return proxyActivities<AgentActivities>({
    ...HEARTBEAT,
    ...cancelling,
    summary,
    taskQueue: agentQueue,
    startToCloseTimeout: timing.attemptMillis + graceMillis,
    scheduleToCloseTimeout: timing.giveUpMillis + graceMillis,
    retry: { ...RETRY, maximumAttempts: 8 },
  });
}

/** An image of the registry may have to be fetched first; what has come of it is there for the next attempt. */
const FETCH_MILLIS = 600_000;

/** What a host may take longer to make a VEE of that template. */
export const fetchMillisOf = ({ image }: { readonly image: string }): number =>
  image.includes('@sha256:') ? FETCH_MILLIS : 0;

/** When it is cancelled it is awaited until it has ended: what takes it back may not run beside it. */
export const AWAITED = {
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
} as const;

/** The same for an undo: it tries for longer, since giving up means that a person has to look. */
export function onHostUndo(
  agentQueue: string,
  timing: OperationTiming,
  summary: string,
  graceMillis = 0,
): AgentActivities {
  return proxyActivities<AgentActivities>({
    ...HEARTBEAT,
    summary: `undo: ${summary}`,
    taskQueue: agentQueue,
    startToCloseTimeout: timing.attemptMillis + graceMillis,
    scheduleToCloseTimeout: timing.undoGiveUpMillis + graceMillis,
    retry: RETRY,
  });
}

/** A wait inside a host, for as long as the manifest allows; the agent may come and go meanwhile. */
export function waitOnHost(
  agentQueue: string,
  timing: OperationTiming,
  waitMillis: number,
  summary: string,
): AgentActivities {
  return proxyActivities<AgentActivities>({
    ...HEARTBEAT,
    summary,
    taskQueue: agentQueue,
    startToCloseTimeout: waitMillis + timing.attemptMillis,
    scheduleToCloseTimeout: waitMillis + timing.giveUpMillis,
    retry: RETRY,
  });
}

/** Waits until a VEE serves, as its manifest says how to see it. */
export function awaitReady(
  at: OnAgent,
  ref: VeeRef,
  timing: OperationTiming,
  summary: string,
  readiness: Readiness,
): Promise<void> {
  const waitMillis = readiness.kind === 'exec' ? readiness.timeoutMillis : 0;
  return waitOnHost(at.agentQueue, timing, waitMillis, summary).awaitReady({
    hostId: at.hostId,
    ref,
    readiness,
  });
}
