import { continueAsNew } from '@temporalio/workflow';
import { siteWait } from '../lib/activities';

/** How many turns of `watchSite` a run makes: a day's, at one turn each ten minutes. */
const TURNS_A_RUN = 144;

/**
 * Watches a site for as long as it exists: hosts that fall silent, requests that were recorded and never
 * handed over. One long activity rather than a Schedule: a run each second would write gigabytes of history,
 * and Temporal moves the activity to another worker when its heartbeat stops.
 */
export async function watch(): Promise<void> {
  for (let turn = 0; turn < TURNS_A_RUN; turn++) await siteWait().watchSite();
  await continueAsNew<typeof watch>();
}
