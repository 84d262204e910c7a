import type { HostRecord, ReportedState } from '../host';
import type { HostId, OperationId, ServiceId, TenantId, VeeId } from '../ids';
import type { AddressLease } from '../network/model';
import type { OperationRecord } from '../operation/operation';
import type { ServicePhase } from '../service/service';
import type { Capacity } from '../units';
import type { VeeState } from '../vee/state-machine';
import type { VeeRecord } from '../vee/vee';

/** How what is recorded of a VEE and what drivers report of it can differ. */
export const DRIFT_KINDS = ['missing', 'extra', 'wrong-state', 'wrong-host', 'wrong-size'] as const;
export type DriftKind = (typeof DRIFT_KINDS)[number];

/** Verbs that bring a copy which is where it belongs to what is recorded of it. */
export const MENDING_VERBS = [
  'start',
  'resume',
  'restore',
  'switch-over',
  'take-back',
  'pause',
  'suspend',
  'resize',
] as const;
export type MendingVerb = (typeof MENDING_VERBS)[number];

/** Those after which a copy runs that did not before. */
export const STARTING_VERBS: readonly MendingVerb[] = [
  'start',
  'resume',
  'restore',
  'switch-over',
  'take-back',
];

/**
 * What is done about a finding.
 *
 *   a mending verb  `vee.mend` brings the copy to what is recorded, where it is
 *   `adopt`         `vee.adopt` records the place where the VEE was found to run
 *   `make-anew`     `service.relocate` makes it again under a new epoch
 *   `end`           the copy is ended on its host, under an epoch that fences it there
 *   `wait`          nothing yet: something that is not known now may explain it
 *   `report`        nothing: it can't be decided safely, so a person has to
 */
export type DriftAction = MendingVerb | 'adopt' | 'make-anew' | 'end' | 'wait' | 'report';

export interface DriftFinding {
  /** Of the kind, the VEE and the host: the same for as long as it lasts. */
  readonly id: string;
  readonly kind: DriftKind;
  readonly veeId: VeeId;
  /** Whose report differs from what is recorded. */
  readonly hostId: HostId;
  readonly serviceId?: ServiceId;
  readonly tenantId?: TenantId;
  /** As a person names it, such as `app/3`; absent for what nothing is recorded of. */
  readonly label?: string;
  readonly recorded?: {
    readonly state: VeeState;
    readonly hostId: HostId;
    readonly epoch: number;
    readonly capacity: Capacity;
  };
  readonly reported?: {
    readonly state: ReportedState;
    readonly epoch: number;
    readonly capacity?: Capacity | undefined;
  };
  readonly action: DriftAction;
  readonly because: string;
  /** When it is to be ended: under which epoch. */
  readonly endAtEpoch?: number;
  /** It keeps coming back, whatever is done about it. */
  readonly recurs?: true;
}

export const findingId = (kind: DriftKind, veeId: string, hostId: string) => `${kind}/${veeId}/${hostId}`;

/** What is kept of a finding between two looks. */
export interface KnownFinding {
  readonly id: string;
  readonly veeId: VeeId;
  readonly hostId: HostId;
  readonly firstSeenAt: number;
  /** When the report was made that it was last seen in. */
  readonly seenInReportOf: number;
  /** It is over. */
  readonly mendedAt?: number;
  /** What was asked for because of it, and when. */
  readonly attempts: readonly { readonly operationId: OperationId; readonly at: number }[];
}

export type UnderWay = Pick<OperationRecord, 'id' | 'kind' | 'state' | 'serviceId' | 'hostId'>;

/** Everything that a look for drift takes into account, read from a live system at one time. */
export interface DriftState {
  readonly now: number;
  readonly hosts: readonly HostRecord[];
  /** Every VEE that lives, and of the destroyed ones those that some host still reports. */
  readonly vees: readonly { readonly vee: VeeRecord; readonly newestEpoch: number }[];
  readonly phases: ReadonlyMap<ServiceId, ServicePhase>;
  /** Operations that have not ended. */
  readonly underWay: readonly UnderWay[];
  readonly known: readonly KnownFinding[];
  /** Addresses that are in use by what is recorded of them; absent where nobody looked. */
  readonly addresses?: readonly AddressLease[];
}

export interface DriftPolicy {
  /** An extra copy is ended once it has been seen for so long. */
  readonly graceMillis: number;
  /** So often within the window something is done about one VEE; then it is only told. */
  readonly mostAttempts: number;
  readonly attemptWindowMillis: number;
  /** More copies that nothing is recorded of are rather a record that was lost than copies that are too many. */
  readonly mostUnknown: number;
}

export const DEFAULT_DRIFT_POLICY: DriftPolicy = {
  graceMillis: 10_000,
  mostAttempts: 5,
  attemptWindowMillis: 3_600_000,
  mostUnknown: 10,
};

export interface DriftReport {
  readonly findings: readonly DriftFinding[];
  /** What differs, and is explained by something that is under way: each says by what. */
  readonly skipped: readonly DriftFinding[];
  /** Ids of known findings that are no more. */
  readonly gone: readonly string[];
}
