/** What a thread of `planner.ts` runs, by name. */
export { failover } from '../domain/maintenance/failover';
export { remediesFor } from '../domain/placement/remedies';
export { roomForService } from '../domain/placement/room';
export { planRebalance } from '../domain/rebalance/plan';
