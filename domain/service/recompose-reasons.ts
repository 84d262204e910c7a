import { amountOf, type Capacity, type Dimension, differences, termOf } from '../units';
import type { TemplatePort, VeeTemplate } from '../vee/vee';

/** Why a VEE is not left as it is. A value, so that callers can count, group and translate it. */
export type ChangeReason =
  | { readonly reason: 'image'; readonly from: string; readonly to: string }
  | { readonly reason: 'command' }
  | { readonly reason: 'environment'; readonly names: readonly string[] }
  | { readonly reason: 'context'; readonly parts: readonly string[] }
  | { readonly reason: 'readiness' }
  | { readonly reason: 'drain' }
  | { readonly reason: 'licences' }
  | { readonly reason: 'networks' }
  | { readonly reason: 'ports' }
  | { readonly reason: 'stop-grace'; readonly fromMillis: number; readonly toMillis: number }
  | {
      readonly reason: 'capacity';
      readonly dimension: Dimension;
      readonly from: number;
      readonly to: number;
    }
  | { readonly reason: 'constraint'; readonly constraint: string; readonly because: string }
  | { readonly reason: 'component-removed' }
  | { readonly reason: 'component-new' }
  | { readonly reason: 'count'; readonly from: number; readonly to: number }
  | { readonly reason: 'never-started' }
  // Why it is replaced though it could have been less.
  | { readonly reason: 'no-live-resize'; readonly driver: string }
  | {
      readonly reason: 'no-room';
      readonly dimension: Dimension;
      /** How much more it needs and how much the host has; left out where that is not the reader's to know. */
      readonly need?: number;
      readonly free?: number;
    }
  | { readonly reason: 'no-migration'; readonly driver: string }
  | { readonly reason: 'cold-migration' };

/** What a driver can change of a running VEE. */
const LIVE_DIMENSIONS: readonly Dimension[] = ['cpuMillis', 'memoryMiB'];

export const isLive = (r: ChangeReason) => r.reason === 'capacity' && LIVE_DIMENSIONS.includes(r.dimension);

/**
 * How what a VEE is made of differs from what it should be made of; empty when it does not.
 * @param was what the manifest in force makes: it knows what templates of earlier releases leave out
 */
export function templateChanges(
  is: VeeTemplate,
  should: VeeTemplate,
  was?: VeeTemplate | undefined,
): ChangeReason[] {
  const found: ChangeReason[] = [];
  if (is.image !== should.image) found.push({ reason: 'image', from: is.image, to: should.image });
  if (!same(is.command, should.command)) found.push({ reason: 'command' });
  const names = [...new Set([...Object.keys(is.environment), ...Object.keys(should.environment)])]
    .filter((name) => is.environment[name] !== should.environment[name])
    .sort();
  if (names.length > 0) found.push({ reason: 'environment', names });
  const parts = (['userData', 'files', 'sshKeys'] as const).filter(
    (part) => !same(is.context?.[part] ?? null, should.context?.[part] ?? null),
  );
  if (parts.length > 0) found.push({ reason: 'context', parts });
  if (!same(is.readiness, should.readiness)) found.push({ reason: 'readiness' });
  if (!same(is.drain ?? null, should.drain ?? null)) found.push({ reason: 'drain' });
  if (!same(is.licences ?? [], should.licences ?? [])) found.push({ reason: 'licences' });
  if (!same(is.networks ?? [], should.networks ?? [])) found.push({ reason: 'networks' });
  const ports = is.ports?.map((port) => withSources(port, was?.ports ?? should.ports ?? []));
  if (!same(ports ?? null, should.ports ?? null)) found.push({ reason: 'ports' });
  if (is.stopGraceMillis !== should.stopGraceMillis)
    found.push({ reason: 'stop-grace', fromMillis: is.stopGraceMillis, toMillis: should.stopGraceMillis });
  return [...found, ...capacityChanges(is.capacity, should.capacity)];
}

function withSources(port: TemplatePort, known: readonly TemplatePort[]): TemplatePort {
  if (port.sources !== undefined || port.from === undefined) return port;
  return known.find(({ sources: _, ...rest }) => same(rest, port)) ?? port;
}

function capacityChanges(is: Capacity, should: Capacity): ChangeReason[] {
  return differences(is, should).map((dimension) => ({
    reason: 'capacity',
    dimension,
    from: amountOf(is, dimension),
    to: amountOf(should, dimension),
  }));
}

/** Equal as data: the order in which an object's fields were written means nothing. */
function same(a: unknown, b: unknown): boolean {
  return canonical(a) === canonical(b);
}

const canonical = (value: unknown) =>
  JSON.stringify(value, (_, v: unknown) =>
    v !== null && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );

export function describeReason(r: ChangeReason): string {
  switch (r.reason) {
    case 'image':
      return `image ${r.from} → ${r.to}`;
    case 'command':
      return 'its command changed';
    case 'environment':
      return `environment changed (${r.names.join(', ')})`;
    case 'context':
      return `${r.parts.join(', ')} changed`;
    case 'readiness':
      return 'its readiness changed';
    case 'drain':
      return 'its drain hook changed';
    case 'licences':
      return 'it takes other licences';
    case 'networks':
      return 'it is on other networks';
    case 'ports':
      return 'what may come in changed';
    case 'stop-grace':
      return `stopGraceMillis ${r.fromMillis} → ${r.toMillis}`;
    case 'capacity':
      return `${termOf(r.dimension)} ${r.from} → ${r.to}`;
    case 'constraint':
      return `breaches ${r.constraint}: ${r.because}`;
    case 'component-removed':
      return 'the manifest has its component no more';
    case 'component-new':
      return 'the component is new';
    case 'count':
      return `${r.from} → ${r.to} instances`;
    case 'never-started':
      return 'an operation that was given up left it, and it never ran';
    case 'no-live-resize':
      return `driver ${r.driver} can’t resize what runs`;
    case 'no-room':
      return `no room to grow where it is (${termOf(r.dimension)}${r.need === undefined ? '' : `: ${r.need} more needed, ${r.free} free`})`;
    case 'no-migration':
      return `driver ${r.driver} can’t migrate`;
    case 'cold-migration':
      return 'it can only be moved cold, and maxUnavailable 0 lets none be missing: a new one takes its place, without its disk';
  }
}
