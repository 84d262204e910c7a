import type { LivenessPolicy, RecoveryMode } from '../domain/host';
import type { HostId, OperationId, SiteId } from '../domain/ids';
import type { LeasePlan, NoLease } from '../domain/leases/model';
import type { LeaseQuestion } from '../domain/leases/plan';
import type { MigrationBudget } from '../domain/migration/estimate';
import type { HarderMoves, Moves } from '../domain/migration/moves-elsewhere';
import type { NetworkPool } from '../domain/network/pool';
import type { OperationRecord } from '../domain/operation/operation';
import type { Harder, HarderQuestion } from '../domain/placement/harder';
import type { PlacementPolicies } from '../domain/placement/policy';
import type { BalancePlan, BalanceQuestion } from '../domain/rebalance/model';
import type { DriftPolicy } from '../domain/reconcile/model';
import type { Store } from '../store/store';
import type { FencingPlugin } from './fencing';

/** What site activities work with; the composition root makes it, tests may replace any part. */
export interface SiteDeps {
  readonly siteId: SiteId;
  readonly store: Store;
  readonly now: () => number;
  readonly policies: PlacementPolicies;
  readonly migrationBudget: MigrationBudget;
  /** Computes elsewhere than here: in a large site it takes seconds. */
  readonly planRebalance: (question: BalanceQuestion) => Promise<BalancePlan>;
  /** The same, for what a quick plan has found no room for. */
  readonly placeHarder: (question: HarderQuestion) => Promise<Harder>;
  /** The same, for which VEEs of a service go where. */
  readonly decideMoves: (question: HarderMoves) => Promise<Moves>;
  /** The same, for where a reservation would be. */
  readonly planLease: (question: LeaseQuestion) => Promise<LeasePlan | NoLease>;
  readonly liveness: LivenessPolicy;
  /** How many VEEs one batch of a large service has; a smaller service is worked on without batches. */
  readonly batchSize: number;
  /** Where networks of services have their subnets from, if they name none. */
  readonly networkPool: NetworkPool;
  /** Hands a recorded request to Temporal; repeating it is harmless. */
  readonly submit: (operation: OperationRecord) => Promise<void>;
  /** @throws SluiceError `not-cancellable` when it is past its point of no return, or over */
  readonly cancel: (operation: OperationRecord) => Promise<void>;
  /** Tells an operation that a host which it may be waiting for is fenced. */
  readonly tellFenced: (id: OperationId, hostId: HostId) => Promise<void>;
  /** Absent where no fencing command is set. */
  readonly fencing: FencingPlugin | undefined;
  readonly recovery: RecoveryMode;
  readonly drift: DriftPolicy;
}
