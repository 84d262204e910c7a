import { workflowInfo } from '@temporalio/workflow';
import { siteWait } from '../lib/activities';

/**
 * What the schedule starts: one look. Only when hosts are loaded so unevenly that moving something is worth it, it asks
 * for the operation `site.rebalance`, which is recorded and can be watched like any other.
 */
export async function lookForImbalance(): Promise<{ moves: number; operationId?: string }> {
  return siteWait().seekImbalance({ key: workflowInfo().runId });
}
