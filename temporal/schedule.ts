import {
  type Client,
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  type ScheduleOptions,
} from '@temporalio/client';
import { type SiteId, siteTaskQueue } from '../domain/ids';

/** Something that a site looks for by itself, time and again. */
export interface Routine {
  readonly name: 'reconcile' | 'rebalance' | 'leases';
  readonly workflowType: 'lookForDrift' | 'lookForImbalance' | 'lookForLeases';
  /** Names its workflow, and what it does, in Temporal's UI. */
  readonly looksFor: string;
  /** 0 for never. */
  readonly everyMillis: number;
}

export const scheduleId = (siteId: SiteId, { name }: Pick<Routine, 'name'>) => `site/${siteId}/${name}`;

/**
 * Sees to it that the site looks as often as it is set to, or not at all with 0. Every site worker does so when it starts:
 * the last one that was told otherwise decides. Whether it is paused is the operator's, and stays.
 */
export async function ensureSchedule(client: Client, siteId: SiteId, routine: Routine): Promise<void> {
  const id = scheduleId(siteId, routine);
  const handle = client.schedule.getHandle(id);
  if (routine.everyMillis === 0) {
    await handle.delete().catch((error) => {
      if (!(error instanceof ScheduleNotFoundError)) throw error;
    });
    return;
  }
  const options = optionsFor(siteId, routine);
  try {
    await client.schedule.create({ scheduleId: id, ...options });
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await handle.update(({ state }) => ({ ...options, state }));
  }
}

/** One look at a time; those that were missed while Temporal or every worker was away are not made up for. */
function optionsFor(
  siteId: SiteId,
  { workflowType, looksFor, everyMillis }: Routine,
): Pick<ScheduleOptions, 'spec' | 'action' | 'policies'> & {
  action: Extract<ScheduleOptions['action'], { type: 'startWorkflow' }>;
} {
  return {
    spec: { intervals: [{ every: everyMillis }] },
    action: {
      type: 'startWorkflow',
      workflowType,
      workflowId: `site/${siteId}/look-for-${looksFor}`,
      taskQueue: siteTaskQueue(siteId),
      args: [],
      workflowTaskTimeout: '3s',
      staticSummary: `look for ${looksFor} in site ${siteId}`,
    },
    policies: { overlap: 'SKIP', catchupWindow: '10s' },
  };
}
