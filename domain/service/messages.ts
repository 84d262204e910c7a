import type { OperationId, ServiceId, TenantId } from '../ids';
import type { OperationInput, OperationKind, OperationSubject } from '../operation/operation';

/** A run takes 2,000 Updates at most before the server refuses more: entities leave well before. */
export const MOST_OPERATIONS_A_RUN = 500;

/**
 * What the workflow of a long-lived entity (a service, a host, the site) starts with, and hands on when it
 * continues as new.
 */
export interface EntityInput extends OperationSubject {
  readonly name: string;
  /** After so many operations it continues as new. */
  readonly operationsARun?: number;
  readonly carried?: CarriedOver;
}

export type ServiceEntityInput = EntityInput & { readonly tenantId: TenantId; readonly serviceId: ServiceId };

/** What a run must not forget: a repeated request has to find what became of the first. */
export interface CarriedOver {
  readonly running: readonly OperationInput[];
  readonly queued: readonly OperationInput[];
  /** Ended without a workflow of their own: superseded or withdrawn while they waited. */
  readonly dropped: readonly OperationId[];
}

/** The entity's answer to a request: its operation has started, or had already. */
export interface Accepted {
  readonly operationId: OperationId;
}

/** Names that clients and workflows share. Each operation kind is an Update of the entity by that name. */
export const CANCEL_UPDATE = 'cancel';
export const RESOLVE_UPDATE = 'resolve';
export const PROGRESS_QUERY = 'progress';
/** To an entity: an operation that still waits is not to begin. */
export const WITHDRAW_UPDATE = 'withdraw';
/** To an operation: a host that it may be waiting for is fenced, so waiting is over. */
export const FENCED_SIGNAL = 'fenced';
/** From an operation to its entity, just before its record says that it has ended. */
export const FINISHED_SIGNAL = 'finished';

/** Of the entity: what holds the service now. */
export const STATUS_QUERY = 'status';
export interface EntityStatus {
  readonly name: string;
  readonly ended: boolean;
  readonly running: readonly { readonly operationId: OperationId; readonly kind: OperationKind }[];
  readonly queued: readonly { readonly operationId: OperationId; readonly kind: OperationKind }[];
}

export type Resolution = 'retry' | 'abort';

/** Search attributes of every Sluice workflow, all of type Keyword (Temporal allows ten). */
export const SEARCH_ATTRIBUTES = [
  'SluiceSite',
  'SluiceTenant',
  'SluiceService',
  'SluiceVee',
  'SluiceHost',
  'SluiceKind',
  'SluiceState',
] as const;
export type SearchAttribute = (typeof SEARCH_ATTRIBUTES)[number];
