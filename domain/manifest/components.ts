import type { VeeContext } from '../context/model';
import type { Capacity } from '../units';
import type { VeeTemplate } from '../vee/vee';
import type { Manifest, ManifestComponent } from './schema';

/** Devices come whole: a manifest that is scaled down needs as many. */
function scaled({ devices, ...capacity }: ManifestComponent['capacity'], percent: number): Capacity {
  const up = (value: number) => Math.ceil((value * percent) / 100);
  return {
    cpuMillis: up(capacity.cpuMillis),
    memoryMiB: up(capacity.memoryMiB),
    diskMiB: up(capacity.diskMiB),
    bandwidthKbps: up(capacity.bandwidthKbps),
    ...(devices ? { devices } : {}),
  };
}

/** What a driver needs to make an instance of a component. */
export function templateOf(manifest: Manifest, component: ManifestComponent): VeeTemplate {
  const { readiness } = component;
  if (readiness.kind === 'tcp' || readiness.kind === 'http')
    throw new TypeError(`readiness by ${readiness.kind} is refused before a template is made`);
  return {
    image: component.image,
    command: component.command ?? [],
    environment: component.environment,
    ...contextOf(component),
    capacity: scaled(component.capacity, manifest.capacityScalePercent),
    ...(component.licences?.length ? { licences: [...new Set(component.licences)].sort() } : {}),
    readiness,
    stopGraceMillis: component.stopGraceMillis,
    ...(component.drain ? { drain: component.drain } : {}),
  };
}

function contextOf({ userData, files, sshKeys }: ManifestComponent): { context?: VeeContext } {
  if (userData === undefined && !files && !sshKeys) return {};
  return {
    context: {
      ...(userData === undefined ? {} : { userData }),
      ...(files ? { files } : {}),
      ...(sshKeys ? { sshKeys } : {}),
    },
  };
}

export function componentNamed(manifest: Manifest, name: string): ManifestComponent | undefined {
  return manifest.components.find((c) => c.name === name);
}

export function initialInstances(manifest: Manifest): Record<string, number> {
  return Object.fromEntries(manifest.components.map((c) => [c.name, c.instances.initial]));
}
