import type { HostRecord } from '../domain/host';
import { operationWorkflowId } from '../domain/ids';
import type { OperationRecord } from '../domain/operation/operation';
import type { ServiceRecord } from '../domain/service/service';
import { subtract } from '../domain/units';
import { legalVerbs } from '../domain/vee/state-machine';
import type { VeeRecord } from '../domain/vee/vee';

/** Records as clients see them: what is internal stays inside, what they need next is linked. */
export function operationView(o: OperationRecord, temporalUi: string | undefined): Record<string, unknown> {
  const {
    id,
    kind,
    state,
    tenantId,
    serviceId,
    veeId,
    params,
    steps,
    done,
    total,
    cancellable,
    stuck,
    error,
  } = o;
  const { requestedBy, requestId, createdAt, startedAt, endedAt } = o;
  return {
    id,
    kind,
    state,
    tenantId,
    serviceId,
    veeId,
    params,
    steps,
    progress: { done, total },
    cancellable,
    stuck,
    error,
    requestedBy,
    requestId,
    createdAt,
    startedAt,
    endedAt,
    links: {
      self: `/v1/operations/${id}`,
      events: `/v1/operations/${id}/events`,
      service: `/v1/services/${serviceId}`,
      temporal: temporalUi && `${temporalUi}/workflows/${encodeURIComponent(operationWorkflowId(id))}`,
    },
  };
}

export function serviceView(s: ServiceRecord): Record<string, unknown> {
  const {
    id,
    name,
    tenantId,
    phase,
    history,
    instances,
    gri,
    manifestDigest,
    generation,
    createdAt,
    updatedAt,
  } = s;
  return {
    id,
    name,
    tenantId,
    phase,
    history,
    instances,
    gri,
    manifestDigest,
    generation,
    createdAt,
    updatedAt,
  };
}

export function veeView(v: VeeRecord): Record<string, unknown> {
  const {
    id,
    tenantId,
    serviceId,
    component,
    index,
    state,
    hostId,
    epoch,
    generation,
    template,
    transition,
  } = v;
  return {
    id,
    tenantId,
    serviceId,
    component,
    index,
    state,
    hostId,
    epoch,
    generation,
    capacity: template.capacity,
    image: template.image,
    transition,
    legalVerbs: legalVerbs(state),
    createdAt: v.createdAt,
    updatedAt: v.updatedAt,
  };
}

export function hostView(h: HostRecord): Record<string, unknown> {
  const {
    id,
    zone,
    labels,
    liveness,
    cordoned,
    lastHeartbeatAt,
    fingerprint,
    reserved,
    reported,
    generation,
  } = h;
  const free = subtract(fingerprint.capacity, reserved);
  return {
    id,
    zone,
    labels,
    liveness,
    cordoned,
    lastHeartbeatAt,
    fingerprint,
    reserved,
    free,
    vees: reported.length,
    generation,
  };
}
