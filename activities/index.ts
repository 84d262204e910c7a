import { createBatchActivities } from './batches';
import { createCaptureRecordActivities } from './capture-records';
import type { SiteDeps } from './deps';
import { createHostActivities } from './hosts';
import { createLeaseActivities } from './leases';
import { createMendingActivities } from './mending';
import { createMoveActivities } from './moves';
import { createOperationActivities } from './operations';
import { createPlanningActivities } from './planning';
import { createRebalanceActivities } from './rebalance';
import { createRecompositionActivities } from './recomposition';
import { createReconcileActivities } from './reconcile';
import { createReservationActivities } from './reservations';
import { createRestorationActivities } from './restoration';
import { createServiceRecordActivities } from './service-records';
import { createSitePowerActivities } from './site-power';
import { createVeeRecordActivities } from './vee-records';
import type { createVeehActivities } from './veeh';
import { createWatchActivities } from './watch';

/** Everything that a site worker's queue offers. */
export function createSiteActivities(deps: SiteDeps) {
  return {
    ...createHostActivities(deps),
    ...createLeaseActivities(deps),
    ...createMendingActivities(deps),
    ...createMoveActivities(deps),
    ...createOperationActivities(deps),
    ...createBatchActivities(deps),
    ...createCaptureRecordActivities(deps),
    ...createPlanningActivities(deps),
    ...createReconcileActivities(deps),
    ...createRebalanceActivities(deps),
    ...createRecompositionActivities(deps),
    ...createReservationActivities(deps),
    ...createRestorationActivities(deps),
    ...createServiceRecordActivities(deps),
    ...createSitePowerActivities(deps),
    ...createVeeRecordActivities(deps),
    ...createWatchActivities(deps),
  };
}

export type SiteActivities = ReturnType<typeof createSiteActivities>;
export type AgentActivities = ReturnType<typeof createVeehActivities>;
