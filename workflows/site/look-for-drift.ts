import { workflowInfo } from '@temporalio/workflow';
import { site } from '../lib/activities';

/**
 * What the schedule starts, and so often that it has to cost little: one look. Only when there is something to do it asks
 * for the operation `site.reconcile`, which is recorded and can be watched like any other.
 */
export async function lookForDrift(): Promise<{ found: number; operationId?: string }> {
  return site.seekDrift({ key: workflowInfo().runId });
}
