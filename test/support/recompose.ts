import type { BlueprintId, HostId, OperationId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import { templateOf } from '../../domain/manifest/components';
import { checkManifest } from '../../domain/manifest/parse';
import type { Manifest } from '../../domain/manifest/schema';
import type { PlacedVee, Snapshot, SnapshotHost } from '../../domain/placement/model';
import { sum } from '../../domain/units';
import type { VeeRecord } from '../../domain/vee/vee';
import { SIMULATOR_CAPABILITIES } from '../../drivers/simulator/driver';

export const serviceId = 'svc-1' as ServiceId;
export const tenantId = 'acme' as TenantId;
export const operationId = 'op-1' as OperationId;

export function hostNamed(id: string, overrides: Partial<SnapshotHost> = {}): SnapshotHost {
  return {
    id: id as HostId,
    zone: 'z',
    labels: {},
    liveness: 'up',
    cordoned: false,
    driver: 'simulator',
    capabilities: SIMULATOR_CAPABILITIES,
    images: ['busybox', 'other'],
    capacity: { cpuMillis: 1_000, memoryMiB: 1_000, diskMiB: 1_000, bandwidthKbps: 1_000 },
    reserved: { cpuMillis: 0, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 },
    ...overrides,
  };
}

export interface ComponentSketch {
  readonly name: string;
  readonly instances?: number | { readonly min: number; readonly initial: number; readonly max: number };
  readonly [field: string]: unknown;
}

/** A whole manifest from what matters of it. */
export function sketch(components: readonly ComponentSketch[], rest: Record<string, unknown> = {}): Manifest {
  return checkManifest({
    apiVersion: 'sluice/v1',
    kind: 'Service',
    name: 'shop',
    components: components.map(({ instances = 1, ...component }) => ({
      image: 'busybox',
      capacity: { cpuMillis: 100, memoryMiB: 100 },
      ...component,
      instances:
        typeof instances === 'number'
          ? { min: 0, initial: instances, max: Math.max(1, instances) }
          : instances,
    })),
    ...rest,
  });
}

/** Members as a manifest has them, each where it is said to be: `['db/0@h1', 'app/0@h2']`. */
export function membersOf(manifest: Manifest, ...places: readonly string[]): VeeRecord[] {
  return places.map((place) => {
    const [label = '', hostId = ''] = place.split('@');
    const [component = '', index = ''] = label.split('/');
    const declared = manifest.components.find((c) => c.name === component);
    if (!declared) throw new Error(`no component ${component}`);
    return {
      id: `vee-${component}-${index}` as VeeId,
      tenantId,
      serviceId,
      component,
      index: Number(index),
      state: 'ACTIVE',
      hostId: hostId as HostId,
      epoch: 1,
      generation: 1,
      template: templateOf(manifest, declared),
      transition: null,
      blueprintId: 'bp-0' as BlueprintId,
      createdAt: 0,
      updatedAt: 0,
    };
  });
}

/** Hosts with what members hold on them taken. */
export function snapshotWith(hosts: readonly SnapshotHost[], members: readonly VeeRecord[]): Snapshot {
  return {
    at: 0,
    hosts: hosts.map((h) => ({
      ...h,
      reserved: sum(members.filter((v) => v.hostId === h.id).map((v) => v.template.capacity)),
    })),
    vees: members.map(asPlaced),
  };
}

export const asPlaced = ({ id, component, hostId }: VeeRecord): PlacedVee => ({
  id,
  tenantId,
  serviceId,
  component,
  hostId,
});
