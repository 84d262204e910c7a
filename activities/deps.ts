import type { LivenessPolicy } from '../domain/host';
import type { SiteId } from '../domain/ids';
import type { OperationRecord } from '../domain/operation/operation';
import type { Policy } from '../domain/placement/model';
import type { Store } from '../store/store';

/** What site activities work with; the composition root makes it, tests may replace any part. */
export interface SiteDeps {
  readonly siteId: SiteId;
  readonly store: Store;
  readonly now: () => number;
  readonly placementPolicy: Policy;
  readonly liveness: LivenessPolicy;
  /** Hands a recorded request to Temporal; repeating it is harmless. */
  readonly submit: (operation: OperationRecord) => Promise<void>;
  /** @throws SluiceError `not-cancellable` when it is past its point of no return, or over */
  readonly cancel: (operation: OperationRecord) => Promise<void>;
}
