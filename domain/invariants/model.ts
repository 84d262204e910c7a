import type { LedgerEvent } from '../accounting/ledger';
import type { HostRecord } from '../host';
import type { Lease } from '../leases/model';
import type { AddressLease, NetworkRecord } from '../network/model';
import type { OperationRecord, OperationTiming } from '../operation/operation';
import type { LicencePool } from '../placement/licences';
import type { Apartness, Constraint, SnapshotHost } from '../placement/model';
import type { RebalanceRecord } from '../rebalance/model';
import type { ServiceRecord } from '../service/service';
import type { VeeRecord } from '../vee/vee';

/** Everything the checks look at, read from a live system at one time. */
export interface SystemState {
  readonly now: number;
  readonly hosts: readonly HostRecord[];
  readonly snapshotHosts: readonly SnapshotHost[];
  readonly vees: readonly VeeRecord[];
  readonly services: readonly ServiceRecord[];
  readonly operations: readonly OperationRecord[];
  readonly ledger: readonly LedgerEvent[];
  readonly constraints: readonly Constraint[];
  /** Tenants that must not share a host. */
  readonly apart?: Apartness;
  /** Those that the site has. */
  readonly licencePools?: readonly LicencePool[];
  /** Addresses that are in use by what is recorded of them. */
  readonly addresses?: readonly AddressLease[];
  readonly networks?: readonly NetworkRecord[];
  /** Absent where nobody has asked for any. */
  readonly leases?: readonly Lease[];
  /** What operations decided to even the site out by. */
  readonly rebalances: readonly RebalanceRecord[];
  /** Ids of operations whose workflow is open in Temporal; undefined when Temporal could not be asked. */
  readonly openOperations: ReadonlySet<string> | undefined;
  /** Does the workflow that watches the site run? Undefined when Temporal could not be asked. */
  readonly watched: boolean | undefined;
  /** How long an operation waits for things before it gives up. */
  readonly timing: OperationTiming;
  /** Idempotency keys with the operation that each was answered with. */
  readonly idempotencyKeys: readonly {
    readonly key: string;
    readonly answeredOperationId: string | undefined;
  }[];
}

export interface InvariantReport {
  /** The number in DESIGN.md §6. */
  readonly number: number;
  readonly title: string;
  readonly checked: number;
  readonly violations: readonly string[];
}

export type Check = (s: SystemState) => Omit<InvariantReport, 'number' | 'title'>;

/** An operation may be recorded and not yet started for as long as a start may take. */
export const START_GRACE_MILLIS = 60_000;

/** Records are read one after the other: what changed so shortly before may look torn. */
export const SETTLED_MILLIS = 2_000;

/**
 * Records are read one after the other while the system goes on. Operations are read last: one that ended since the
 * check began was under way when what it worked on was read.
 */
export const isUnderWay = (o: OperationRecord, now: number) => o.endedAt === undefined || o.endedAt > now;
