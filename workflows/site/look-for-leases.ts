import { siteWait } from '../lib/activities';

/**
 * What the schedule starts: one look at what has an end, and at what is promised for a time. What is to end is asked for as
 * an operation on its service, which is recorded and can be watched like any other.
 */
export async function lookForLeases(): Promise<{ found: number }> {
  return siteWait().seekLeases();
}
