import {
  type Client,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type ScheduleOptions,
} from '@temporalio/client';
import { type SiteId, siteTaskQueue } from '../domain/ids';

export const reconcileScheduleId = (siteId: SiteId) => `site/${siteId}/reconcile`;

/**
 * Sees to it that the site looks for drift as often as it is set to, or not at all with 0. Every site worker does so when
 * it starts: the last one that was told otherwise decides. Whether it is paused is the operator's, and stays.
 */
export async function ensureReconcileSchedule(
  client: Client,
  siteId: SiteId,
  everyMillis: number,
): Promise<void> {
  const scheduleId = reconcileScheduleId(siteId);
  const handle = client.schedule.getHandle(scheduleId);
  if (everyMillis === 0) {
    await handle.delete().catch((error) => {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
    });
    return;
  }
  const options = optionsFor(siteId, everyMillis);
  try {
    await client.schedule.create({ scheduleId, ...options });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await handle.update(({ state }) => ({ ...options, state }));
  }
}

/** One look at a time; those that were missed while Temporal or every worker was away are not made up for. */
function optionsFor(
  siteId: SiteId,
  everyMillis: number,
): Pick<ScheduleOptions, 'spec' | 'action' | 'policies'> & {
  action: Extract<ScheduleOptions['action'], { type: 'startWorkflow' }>;
} {
  return {
    spec: { intervals: [{ every: everyMillis }] },
    action: {
      type: 'startWorkflow',
      workflowType: 'lookForDrift',
      workflowId: `site/${siteId}/look-for-drift`,
      taskQueue: siteTaskQueue(siteId),
      args: [],
      workflowTaskTimeout: '3s',
      staticSummary: `look for drift in site ${siteId}`,
    },
    policies: { overlap: 'SKIP', catchupWindow: '10s' },
  };
}
