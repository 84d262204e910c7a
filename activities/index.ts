import type { SiteDeps } from './deps';
import { createOperationActivities } from './operations';
import { createPlanningActivities } from './planning';
import { createReservationActivities } from './reservations';
import { createServiceRecordActivities } from './service-records';
import { createVeeRecordActivities } from './vee-records';
import type { createVeehActivities } from './veeh';
import { createWatchActivities } from './watch';

/** Everything that a site worker's queue offers. */
export function createSiteActivities(deps: SiteDeps) {
  return {
    ...createOperationActivities(deps),
    ...createPlanningActivities(deps),
    ...createReservationActivities(deps),
    ...createServiceRecordActivities(deps),
    ...createVeeRecordActivities(deps),
    ...createWatchActivities(deps),
  };
}

export type SiteActivities = ReturnType<typeof createSiteActivities>;
export type AgentActivities = ReturnType<typeof createVeehActivities>;
