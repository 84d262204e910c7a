import { SluiceError } from '../domain/errors';
import { type HostId, operationWorkflowId, type SiteId, type VeeId } from '../domain/ids';
import {
  type OperationKind,
  type OperationParams,
  type OperationRecord,
  pendingOperation,
} from '../domain/operation/operation';
import type { ServiceRecord } from '../domain/service/service';
import type { Identity } from '../store/identities';
import type { ApiDeps } from './deps';
import type { Answer, Context } from './route';
import { operationView } from './views';

interface Asked {
  readonly kind: OperationKind;
  readonly service?: ServiceRecord;
  readonly veeId?: VeeId;
  /** For an operation on a host; without a service and a host it is about the site. */
  readonly hostId?: HostId;
  readonly params?: OperationParams;
}

type Asking = Pick<Context, 'operationId' | 'identity' | 'requestId'>;

/** The record of what somebody asks for through the API. */
export function requestedOperation(
  siteId: SiteId,
  { operationId, identity, requestId }: Asking,
  asked: Asked,
): OperationRecord {
  const { kind, service, veeId, hostId, params = {} } = asked;
  return pendingOperation({
    id: operationId,
    kind,
    siteId,
    ...(service ? { tenantId: service.tenantId, serviceId: service.id } : {}),
    ...(veeId ? { veeId } : {}),
    ...(hostId ? { hostId } : {}),
    params,
    requestedBy: identity.name,
    requestId,
    createdAt: Date.now(),
  });
}

/**
 * Records an operation and hands it to Temporal, in this order: a process that dies in between leaves a
 * pending record, which the site's watch hands over. Answers 202 with the operation.
 */
export async function requestOperation(deps: ApiDeps, asking: Asking, asked: Asked): Promise<Answer> {
  const record = await deps.store.operations.create(requestedOperation(deps.siteId, asking, asked));
  return hand(deps, asking.identity, record);
}

/** Hands a recorded operation over; also for one that an earlier request recorded. */
export async function hand(deps: ApiDeps, identity: Identity, record: OperationRecord): Promise<Answer> {
  if (record.state === 'pending') {
    try {
      const name = await subjectName(deps, record);
      const done = await deps.faults?.reach('submit', operationWorkflowId(record.id));
      await deps.operations.submit(record, name);
      await done?.();
    } catch (error) {
      // Refused before it began: it never was an operation. A fault says nothing, so the record stays.
      if (error instanceof SluiceError && !error.retryable) await deps.store.operations.forget(record.id);
      throw error;
    }
  }
  return accepted(deps, identity, await current(deps, record));
}

async function subjectName(
  { store, siteId }: ApiDeps,
  { serviceId, hostId }: OperationRecord,
): Promise<string> {
  if (!serviceId) return hostId ?? siteId;
  return (await store.services.get(serviceId))?.name ?? serviceId;
}

async function current(deps: ApiDeps, record: OperationRecord): Promise<OperationRecord> {
  return (await deps.store.operations.get(record.id)) ?? record;
}

export function accepted(deps: ApiDeps, identity: Identity, record: OperationRecord): Answer {
  return {
    status: 202,
    body: operationView(record, identity, deps.temporalUi),
    headers: { Location: `/v1/operations/${record.id}` },
  };
}
