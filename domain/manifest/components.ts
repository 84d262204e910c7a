import type { VeeContext } from '../context/model';
import type { Capacity } from '../units';
import type { TemplatePort, VeeTemplate } from '../vee/vee';
import type { Manifest, ManifestComponent } from './schema';

type ManifestPort = NonNullable<ManifestComponent['ports']>[number];

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
    ...networking(manifest, component),
  };
}

/** Networks as they are declared: what is declared otherwise is another network, for a VEE that is made anew. */
function networking(
  { networks: declared = [], components }: Manifest,
  { networks, ports }: ManifestComponent,
): Pick<VeeTemplate, 'networks' | 'ports'> {
  if (!networks) return {};
  return {
    networks: networks.map((name) => {
      const { ipv4, ipv6, site } = declared.find((n) => n.name === name) ?? {};
      return { name, ...(ipv4 ? { ipv4 } : {}), ...(ipv6 ? { ipv6 } : {}), ...(site ? { site } : {}) };
    }),
    ...(ports
      ? {
          ports: ports.map((port) => ({
            ...portOf(port),
            ...sourcesOf(port, networks, { declared, components }),
          })),
        }
      : {}),
  };
}

/** A host is told of a component by its addresses: one that comes onto a network later has to be told of anew. */
function sourcesOf(
  { from }: ManifestPort,
  networks: readonly string[],
  {
    declared,
    components,
  }: Pick<Manifest, 'components'> & { readonly declared: NonNullable<Manifest['networks']> },
): Pick<TemplatePort, 'sources'> {
  if (!from || from.includes('any')) return {};
  const ofSite = new Set(declared.filter((n) => n.site !== undefined).map((n) => n.name));
  const sources = components
    .filter((c) => from.includes(c.name))
    .flatMap((c) => {
      const shared = networks.flatMap((n, i) => (c.networks?.includes(n) && !ofSite.has(n) ? [i] : []));
      return shared.length > 0 ? [`${c.name}/${shared.join(',')}`] : [];
    });
  return { sources: sources.sort() };
}

function portOf({ port, toPort, protocol = 'tcp', from }: ManifestPort) {
  return {
    protocol,
    ...(port === undefined ? {} : { port }),
    ...(toPort === undefined ? {} : { toPort }),
    ...(from ? { from: [...from].sort() } : {}),
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
