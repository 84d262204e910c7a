import type { Client } from '@temporalio/client';
import type { SiteId } from '../domain/ids';
import type { MigrationBudget } from '../domain/migration/estimate';
import type { OperationTiming } from '../domain/operation/operation';
import type { Policy } from '../domain/placement/model';
import type { DriftPolicy } from '../domain/reconcile/model';
import type { FaultPoints } from '../process/fault-points';
import type { Logger } from '../process/log';
import type { Planner } from '../process/planner';
import type { Store } from '../store/store';
import type { Operations } from '../temporal/submit';

export interface ApiDeps {
  readonly siteId: SiteId;
  readonly store: Store;
  readonly operations: Operations;
  readonly temporal: Client;
  /** The policy in force at that moment. */
  readonly placementPolicy: () => Promise<Policy>;
  /** In force until somebody sets another. */
  readonly initialPolicy: Policy;
  readonly migrationBudget: MigrationBudget;
  readonly planner: Planner;
  readonly drift: DriftPolicy;
  readonly timing: OperationTiming;
  /** Is there a command that cuts a lost host off? */
  readonly canFence: boolean;
  /** Off but in tests. */
  readonly faults: FaultPoints | undefined;
  readonly log: Logger;
  /** Are indexes and first tokens in place? Before that nobody can be told apart. */
  readonly started: () => boolean;
  /** Aborted when the process is asked to end: streams end then, rather than keep it. */
  readonly stopping: AbortSignal;
  /** Base of Temporal's UI for this namespace, where there is one: operations link to it. */
  readonly temporalUi: string | undefined;
}
