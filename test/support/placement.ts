import type { BlueprintId, OperationId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import type { LicencePool, LicensedPlace } from '../../domain/placement/licences';
import type {
  Constraint,
  PlacementRequest,
  RequestedVee,
  Snapshot,
  SnapshotHost,
} from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import type { Policy } from '../../domain/placement/policy';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import { hostNamed } from './recompose';

export const serviceId = 'svc-1' as ServiceId;
export const tenantId = 'acme' as TenantId;
export const context = {
  now: 1,
  seed: 's',
  blueprintId: 'bp-1' as BlueprintId,
  operationId: 'op-1' as OperationId,
};
export const packing: Policy = { name: 'packing' };

export const host = (id: string, cpuMillis: number, overrides: Partial<SnapshotHost> = {}): SnapshotHost =>
  hostNamed(id, {
    images: ['busybox'],
    capacity: { cpuMillis, memoryMiB: 10_000, diskMiB: 10_000, bandwidthKbps: 10_000 },
    ...overrides,
  });

export function vee(component: string, index: number, cpuMillis = 100): RequestedVee {
  const need = { cpuMillis, memoryMiB: 100, diskMiB: 0, bandwidthKbps: 0 };
  return {
    id: `vee-${component}-${index}` as VeeId,
    tenantId,
    serviceId,
    component,
    index,
    need,
    image: 'busybox',
  };
}

export const snapshotOf = (hosts: SnapshotHost[]): Snapshot => ({ at: 1, hosts, vees: [] });
export const licensedSite = (
  hosts: SnapshotHost[],
  pools: readonly LicencePool[],
  places: readonly LicensedPlace[] = [],
): Snapshot => ({ ...snapshotOf(hosts), licences: { pools, places } });
export const within = (component: string, most = 1, level: 'host' | 'zone' = 'host'): Constraint => ({
  kind: 'apart-within',
  level,
  serviceId,
  component,
  most,
});

export function placed(
  snapshot: Snapshot,
  request: PlacementRequest,
  policy = packing,
): Record<string, string> {
  const answer = plan(snapshot, request, policy, context);
  if (answer.kind !== 'blueprint') throw new Error(refusalSummary(answer));
  return Object.fromEntries(answer.assignments.map((a) => [`${a.component}/${a.index}`, a.hostId]));
}
