import { economyOf } from '../domain/cost/host-economy';
import type { ErrorSummary } from '../domain/errors';
import { canDo, type HostRecord } from '../domain/host';
import { operationWorkflowId } from '../domain/ids';
import type { OperationRecord } from '../domain/operation/operation';
import type { Assignment, Blueprint } from '../domain/placement/model';
import type { PolicyData } from '../domain/placement/policy';
import type { ServiceRecord } from '../domain/service/service';
import { subtract } from '../domain/units';
import { requestableVerbs } from '../domain/vee/state-machine';
import type { VeeRecord } from '../domain/vee/vee';
import type { Identity } from '../store/identities';
import type { EventRecord } from '../store/records';
import type { Transfer } from './transfers';

/** Records as clients see them: what is internal stays inside, what they need next is linked. */
export function operationView(
  o: OperationRecord,
  identity: Identity,
  temporalUi: string | undefined,
  transfers: readonly Transfer[] = [],
): Record<string, unknown> {
  const { id, kind, state, tenantId, serviceId, veeId, hostId, parentId, behind, params } = o;
  const { done, total, cancellable, notes, stuck } = o;
  const operator = identity.role === 'operator';
  const told = (e: ErrorSummary) => (operator ? e : withoutHosts(e));
  const steps = o.steps.map((s) => (s.error ? { ...s, error: told(s.error) } : s));
  const error = o.error && told(o.error);
  const { requestedBy, requestId, createdAt, startedAt, endedAt } = o;
  return {
    id,
    kind,
    state,
    tenantId,
    serviceId,
    veeId,
    hostId,
    parentId,
    behind: operator ? behind : undefined,
    params,
    steps,
    progress: { done, total },
    cancellable,
    transfers: transfers.length > 0 ? transfers : undefined,
    notes: notes?.map((n) => ({ ...n, error: told(n.error) })),
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
      service: serviceId && `/v1/services/${serviceId}`,
      host: operator && hostId ? `/v1/hosts/${hostId}` : undefined,
      children: `/v1/operations?parent=${id}`,
      temporal:
        operator && temporalUi
          ? `${temporalUi}/workflows/${encodeURIComponent(operationWorkflowId(id))}`
          : undefined,
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
    until,
    leaseId,
    manifestDigest,
    recomposition,
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
    ...(until === undefined ? {} : { until }),
    ...(leaseId ? { leaseId } : {}),
    manifestDigest,
    ...(recomposition ? { recomposition } : {}),
    generation,
    createdAt,
    updatedAt,
  };
}

/** @param host where it is recorded to be; what that host reports is shown beside what is recorded */
export function veeView(v: VeeRecord, host: HostRecord | undefined): Record<string, unknown> {
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
  const copy = host?.reported.find((r) => r.veeId === v.id && r.epoch === v.epoch);
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
    networks: v.networks?.map(({ name, networkId, mac, addresses }) => ({
      ...{ name, networkId, mac },
      addresses: addresses.map((a) => a.address),
    })),
    transition,
    observed: copy?.state,
    used: copy?.used,
    legalVerbs: requestableVerbs(state).filter((verb) => !host || canDo(host.fingerprint.capabilities, verb)),
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
    maintenance,
    fenced,
    lastHeartbeatAt,
    fingerprint,
    reserved,
    reported,
    measured,
    generation,
  } = h;
  const { devices, ...left } = subtract(fingerprint.capacity, reserved);
  // That none is left is worth saying, where there are some.
  const none = Object.fromEntries(Object.keys(fingerprint.capacity.devices ?? {}).map((name) => [name, 0]));
  const free = fingerprint.capacity.devices ? { ...left, devices: { ...none, ...devices } } : left;
  return {
    id,
    zone,
    labels,
    liveness,
    cordoned,
    maintenance: maintenance ? { ...maintenance, former: undefined } : undefined,
    fenced: fenced ?? undefined,
    lastHeartbeatAt,
    fingerprint,
    ...economyOf(h),
    reserved,
    free,
    measured: measured ? { cpuMillis: measured.cpuMillis, memoryMiB: measured.memoryMiB } : undefined,
    vees: reported.length,
    generation,
  };
}

/** Why nothing fits tells what else runs where: that is the operator's to know. */
function withoutHosts(e: ErrorSummary): ErrorSummary {
  return e.code === 'placement-infeasible'
    ? { ...e, detail: 'No host of the site can take it; the operator sees why.' }
    : e;
}

/** What tells operators of hosts has words of its own for tenants. */
export function eventView(
  { toTenant, ...event }: EventRecord,
  { role }: Pick<Identity, 'role'>,
): Omit<EventRecord, 'toTenant'> {
  return role === 'operator' ? event : { ...event, message: toTenant ?? event.message };
}

/** A tenant learns where its own VEEs go and why, but not what the other hosts hold, nor what the site reckons with. */
export function blueprintView(blueprint: Blueprint, identity: Pick<Identity, 'role'>): Blueprint {
  return {
    ...blueprint,
    policy: policyView(blueprint.policy, identity),
    assignments: blueprint.assignments.map((a) => {
      const { remark: _, ...rest } = a;
      const verdicts = identity.role === 'operator' ? a.verdicts : [];
      return { ...rest, because: reasonOf(a, identity), verdicts };
    }),
  };
}

/** The parameters of a policy may be what the site pays and earns. */
export function policyView(
  { parameters, ...policy }: PolicyData,
  { role }: Pick<Identity, 'role'>,
): PolicyData {
  return role === 'operator' && parameters ? { ...policy, parameters } : policy;
}

/** Why that host was chosen, with what is to be said of it besides. */
export const reasonOf = (
  { because, remark }: Pick<Assignment, 'because' | 'remark'>,
  { role }: Pick<Identity, 'role'>,
): string => (role === 'operator' && remark ? `${because}, ${remark}` : because);
