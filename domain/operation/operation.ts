import type { ErrorSummary } from '../errors';
import type { HostId, OperationId, ServiceId, SiteId, TenantId, VeeId } from '../ids';

export const SERVICE_OPERATION_KINDS = [
  'service.provision',
  'service.scale',
  'service.recompose',
  'service.suspend',
  'service.resume',
  'service.decommission',
  'service.migrate',
  'service.relocate',
] as const;
export const VEE_OPERATION_KINDS = [
  'vee.migrate',
  'vee.pause',
  'vee.resume',
  'vee.suspend',
  'vee.restore',
  'vee.restart',
  'vee.resize',
  'vee.mend',
  'vee.adopt',
  'vee.capture',
] as const;
export const HOST_OPERATION_KINDS = ['host.drain', 'host.restore', 'host.recover'] as const;
export const SITE_OPERATION_KINDS = [
  'site.shutdown',
  'site.power-up',
  'site.reconcile',
  'site.rebalance',
] as const;
export const OPERATION_KINDS = [
  ...SERVICE_OPERATION_KINDS,
  ...VEE_OPERATION_KINDS,
  ...HOST_OPERATION_KINDS,
  ...SITE_OPERATION_KINDS,
] as const;
export type ServiceOperationKind = (typeof SERVICE_OPERATION_KINDS)[number];
export type VeeOperationKind = (typeof VEE_OPERATION_KINDS)[number];
export type HostOperationKind = (typeof HOST_OPERATION_KINDS)[number];
export type SiteOperationKind = (typeof SITE_OPERATION_KINDS)[number];
export type OperationKind = (typeof OPERATION_KINDS)[number];

/**
 * `completed`, `undone` and `stuck` after an abort are final; `stuck` before it waits for a person. `queued` waits
 * for the operations that it may not run beside (`conflicts.ts`).
 */
export const OPERATION_STATES = [
  'pending',
  'queued',
  'running',
  'undoing',
  'stuck',
  'completed',
  'undone',
] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

export type StepState = 'running' | 'done' | 'failed' | 'undoing' | 'undone' | 'stuck' | 'abandoned';

export interface StepRecord {
  readonly name: string;
  readonly state: StepState;
  readonly startedAt: number;
  readonly endedAt?: number;
  readonly error?: ErrorSummary;
}

/** Why an operation waits for a person, and what they may do about it. */
export interface StuckReason {
  readonly step: string;
  readonly direction: 'forward' | 'undo';
  readonly error: ErrorSummary;
  /** None when it has ended so: by an abort, or because the manifest says that what was done is kept. */
  readonly choices: readonly ('retry' | 'abort')[];
}

/** What an operation that completes has left as it was, and why: it was allowed to, or told to. */
export interface OperationNote {
  /** What it is about, as a person names it, such as `shop/app/3`. */
  readonly about: string;
  readonly veeId?: VeeId;
  readonly error: ErrorSummary;
}

export interface OperationProgress {
  readonly state: OperationState;
  readonly steps: readonly StepRecord[];
  readonly done: number;
  /** How many steps are known of so far; it grows once the plan is made. */
  readonly total: number;
  readonly cancellable: boolean;
  readonly notes?: readonly OperationNote[];
  readonly stuck?: StuckReason;
  readonly error?: ErrorSummary;
}

/** What an operation is about: a service or one of its VEEs, a host, or the whole site when it names none of them. */
export interface OperationSubject {
  readonly siteId: SiteId;
  readonly tenantId?: TenantId;
  readonly serviceId?: ServiceId;
  readonly veeId?: VeeId;
  readonly hostId?: HostId;
}

export interface OperationRecord extends OperationProgress, OperationSubject {
  readonly id: OperationId;
  readonly kind: OperationKind;
  /** The operation that asked for this one, as a drain asks for migrations. */
  readonly parentId?: OperationId;
  /** What it was queued behind, when it was. */
  readonly behind?: readonly OperationId[];
  readonly params: OperationParams;
  readonly requestedBy: string;
  readonly requestId: string;
  /** Counts the workflow's progress reports, so that a late one never overwrites a newer one. */
  readonly revision: number;
  readonly createdAt: number;
  readonly startedAt?: number;
  readonly endedAt?: number;
}

/** The record of an operation that is asked for and has not begun. */
export function pendingOperation(
  asked: Pick<OperationRecord, 'id' | 'kind' | 'params' | 'requestedBy' | 'requestId' | 'createdAt'> &
    OperationSubject &
    Partial<Pick<OperationRecord, 'parentId' | 'cancellable'>>,
): OperationRecord {
  return { state: 'pending', steps: [], done: 0, total: 0, cancellable: true, revision: 0, ...asked };
}

/** What was asked for; small, since it travels through workflow histories. */
export interface OperationParams {
  readonly component?: string;
  readonly instances?: number;
  /** The manifest to re-compose to: by digest, since it may be large. */
  readonly manifestDigest?: string;
  readonly toHostId?: string;
  /** Of a capture: what the image is to be called. */
  readonly imageName?: string;
  readonly capacity?: Readonly<Partial<Record<'cpuMillis' | 'memoryMiB', number>>>;
  /** Of a resizing: the VEE is stopped for it, since its driver can't change what runs. */
  readonly byRestart?: boolean;
  /** Of a migration or relocation of several VEEs: those on this host, or these; all when neither is given. */
  readonly fromHostId?: string;
  readonly veeIds?: readonly string[];
  /** Those that no host can take stay where they are, and are named; otherwise all move or none. */
  readonly partial?: boolean;
  readonly deadlineMillis?: number;
  /** What becomes of a deadline that can't be met: the plan is refused, or VEEs are stilled to move faster. */
  readonly onDeadline?: 'refuse' | 'escalate';
  /** Why VEEs are made anew: their host is lost, they can't move and the operator insists, or they are not there. */
  readonly cause?: 'host-lost' | 'forced' | 'missing';
  /** Of a recovery: the operator vouches that the host is off. */
  readonly confirmed?: boolean;
  /** What a drain does with VEEs that can't move: wait for the operator's word, restart them elsewhere, or leave them. */
  readonly immovable?: 'ask' | 'restart' | 'ignore';
  /** Of a rebalance: how many VEEs it may move. */
  readonly mostMoves?: number;
  /** What a reconciliation is limited to; all kinds on all hosts when left out. */
  readonly drift?: {
    readonly kinds?: readonly string[];
    readonly hostId?: string;
    /** Do nothing about what is found. */
    readonly reportOnly?: boolean;
  };
}

/** How long an operation waits for things, set by the site and carried in its input so that replay agrees. */
export interface OperationTiming {
  /** One attempt of one verb on a host. */
  readonly attemptMillis: number;
  /** All attempts of one verb together, the wait for an agent that is away included. */
  readonly giveUpMillis: number;
  /** The same for an undo, which tries for longer before it asks a person. */
  readonly undoGiveUpMillis: number;
}

export const DEFAULT_TIMING: OperationTiming = {
  attemptMillis: 30_000,
  giveUpMillis: 90_000,
  undoGiveUpMillis: 180_000,
};

export interface OperationInput extends OperationSubject {
  readonly operationId: OperationId;
  readonly kind: OperationKind;
  readonly parentId?: OperationId;
  readonly params: OperationParams;
  readonly requestId: string;
  readonly timing: OperationTiming;
}

/** Of an operation on a service or one of its VEEs. */
export type ServiceOperationInput = OperationInput & {
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
};

export type HostOperationInput = OperationInput & { readonly hostId: HostId };

export interface OperationOutcome {
  readonly operationId: OperationId;
  readonly state: OperationState;
  readonly error?: ErrorSummary;
}

export const isServiceWide = (kind: OperationKind) =>
  (SERVICE_OPERATION_KINDS as readonly string[]).includes(kind);

/** Final: it will not change any more. An aborted operation is `stuck` with an end time. */
export const hasEnded = (op: Pick<OperationRecord, 'state' | 'endedAt'>) => op.endedAt !== undefined;
