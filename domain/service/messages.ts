import type { OperationId, ServiceId, SiteId, TenantId } from '../ids';
import type { OperationKind } from '../operation/operation';

/** What the service's entity workflow starts with, and hands on when it continues as new. */
export interface ServiceEntityInput {
  readonly siteId: SiteId;
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly name: string;
}

/** The entity's answer to a request: its operation has started, or had already. */
export interface Accepted {
  readonly operationId: OperationId;
}

/** Names that clients and workflows share. Each operation kind is an Update of the entity by that name. */
export const CANCEL_UPDATE = 'cancel';
export const RESOLVE_UPDATE = 'resolve';
export const PROGRESS_QUERY = 'progress';
/** From an operation to its service's entity, just before its record says that it has ended. */
export const FINISHED_SIGNAL = 'finished';

/** Of the entity: what holds the service now. */
export const STATUS_QUERY = 'status';
export interface EntityStatus {
  readonly name: string;
  readonly ended: boolean;
  readonly running: readonly { readonly operationId: OperationId; readonly kind: OperationKind }[];
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
