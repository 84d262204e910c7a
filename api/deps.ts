import type { Client } from '@temporalio/client';
import type { SiteId } from '../domain/ids';
import type { MigrationBudget } from '../domain/migration/estimate';
import type { OperationTiming } from '../domain/operation/operation';
import type { PlacementPolicies, PolicyData } from '../domain/placement/policy';
import type { DriftPolicy } from '../domain/reconcile/model';
import type { FaultPoints } from '../process/fault-points';
import type { Logger } from '../process/log';
import type { Planner } from '../process/planner';
import type { AlgorithmPlugins } from '../process/policies/algorithms';
import type { PolicyPlugins } from '../process/policies/plugins';
import type { Store } from '../store/store';
import type { Operations } from '../temporal/submit';
import type { ImageSourceRules } from './image-sources';

export interface ApiDeps {
  readonly siteId: SiteId;
  readonly store: Store;
  readonly operations: Operations;
  readonly temporal: Client;
  readonly policies: PlacementPolicies;
  /** In force until somebody sets another. */
  readonly initialPolicy: PolicyData;
  /** Policies that were added to those built in. */
  readonly plugins: PolicyPlugins;
  /** Algorithms that may be asked beside the solvers that are built in. */
  readonly algorithms: AlgorithmPlugins;
  readonly migrationBudget: MigrationBudget;
  readonly planner: Planner;
  readonly drift: DriftPolicy;
  readonly timing: OperationTiming;
  /** Is there a command that cuts a lost host off? */
  readonly canFence: boolean;
  readonly imageSources: ImageSourceRules;
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
