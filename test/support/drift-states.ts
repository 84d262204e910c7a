import type { HostRecord, ReportedState, ReportedVee } from '../../domain/host';
import type { HostId, OperationId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import type { DriftState, KnownFinding } from '../../domain/reconcile/model';
import { type Capacity, sum, ZERO } from '../../domain/units';
import type { VeeRecord } from '../../domain/vee/vee';
import { SIMULATOR_CAPABILITIES } from '../../drivers/simulator/driver';

export const CAPACITY: Capacity = { cpuMillis: 100, memoryMiB: 64, diskMiB: 10, bandwidthKbps: 1 };
export const SERVICE = 'svc-1' as ServiceId;
export const NOW = 1_000_000;

export function veeRecord(id: string, hostId: string, overrides: Partial<VeeRecord> = {}): VeeRecord {
  return {
    id: id as VeeId,
    tenantId: 'acme' as TenantId,
    serviceId: SERVICE,
    component: 'app',
    index: 0,
    state: 'ACTIVE',
    hostId: hostId as HostId,
    epoch: 1,
    generation: 1,
    template: {
      image: 'busybox',
      command: [],
      environment: {},
      capacity: CAPACITY,
      readiness: { kind: 'running' },
      stopGraceMillis: 0,
    },
    transition: null,
    blueprintId: 'bp-1' as VeeRecord['blueprintId'],
    createdAt: NOW - 60_000,
    updatedAt: NOW - 60_000,
    ...overrides,
  };
}

export const reported = (
  veeId: string,
  epoch: number,
  state: ReportedState,
  capacity: Capacity = CAPACITY,
): ReportedVee => ({ veeId, epoch, state, capacity });

export function hostRecord(
  id: string,
  vees: readonly ReportedVee[] = [],
  overrides: Partial<HostRecord> & { readonly holds?: readonly string[] } = {},
): HostRecord {
  const { holds = vees.map((v) => v.veeId), ...rest } = overrides;
  const reservations = Object.fromEntries(
    holds.map((v) => [v, { operationId: 'op-made', amount: CAPACITY, since: 0 }]),
  );
  return {
    id: id as HostId,
    siteId: 'home' as HostRecord['siteId'],
    zone: 'zone-a',
    agentId: 'agent' as HostRecord['agentId'],
    labels: {},
    fingerprint: {
      driver: 'simulator',
      description: '',
      real: false,
      capabilities: SIMULATOR_CAPABILITIES,
      capacity: { cpuMillis: 10_000, memoryMiB: 10_000, diskMiB: 10_000, bandwidthKbps: 10_000 },
      images: ['busybox'],
      attributes: {},
    },
    liveness: 'up',
    cordoned: false,
    lastHeartbeatAt: NOW,
    reservations,
    reserved: sum([ZERO, ...Object.values(reservations).map((r) => r.amount)]),
    reported: vees,
    reportedAt: NOW - 100,
    generation: 1,
    joinedAt: 0,
    ...rest,
  };
}

export function driftState(
  vees: readonly (VeeRecord | { vee: VeeRecord; newestEpoch: number })[],
  hosts: readonly HostRecord[],
  overrides: Partial<DriftState> = {},
): DriftState {
  return {
    now: NOW,
    hosts,
    vees: vees.map((v) => ('vee' in v ? v : { vee: v, newestEpoch: v.epoch })),
    phases: new Map([[SERVICE, 'operating']]),
    underWay: [],
    known: [],
    ...overrides,
  };
}

export const knownFinding = (id: string, overrides: Partial<KnownFinding> = {}): KnownFinding => {
  const [, veeId = '', hostId = ''] = id.split('/');
  return {
    id,
    veeId: veeId as VeeId,
    hostId: hostId as HostId,
    firstSeenAt: NOW - 60_000,
    seenInReportOf: NOW - 60_000,
    attempts: [],
    ...overrides,
  };
};

export const attempt = (n: number, at: number) => ({ operationId: `op-${n}` as OperationId, at });
