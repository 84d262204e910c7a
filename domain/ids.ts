/**
 * Branded identifiers. A `HostId` cannot be passed where a `VeeId` is wanted, though both are strings
 * on the wire. Ids never contain `.` or `$`, so they are safe as MongoDB field names (reservations are
 * keyed by them), and never `/`, so they are safe inside workflow ids.
 */
declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type SiteId = Branded<'SiteId'>;
export type TenantId = Branded<'TenantId'>;
export type ServiceId = Branded<'ServiceId'>;
export type VeeId = Branded<'VeeId'>;
export type HostId = Branded<'HostId'>;
export type AgentId = Branded<'AgentId'>;
export type OperationId = Branded<'OperationId'>;
export type BlueprintId = Branded<'BlueprintId'>;
export type LeaseId = Branded<'LeaseId'>;
export type NetworkId = Branded<'NetworkId'>;
export type ImageId = Branded<'ImageId'>;

/** What each kind of id starts with: an operator can tell a bare id's kind in a log line. */
const PREFIX = {
  service: 'svc',
  vee: 'vee',
  operation: 'op',
  blueprint: 'bp',
  lease: 'rsv',
  network: 'net',
  image: 'img',
} as const;

/** 96 bits of hex: collisions are out of reach, and the id still fits on a line. */
const ENTROPY = /^[0-9a-f]{24}$/;

function make(kind: keyof typeof PREFIX, entropy: string): string {
  if (!ENTROPY.test(entropy)) throw new TypeError(`an id needs 24 hex digits of entropy, not "${entropy}"`);
  return `${PREFIX[kind]}-${entropy}`;
}

/** Makers take their entropy from the caller: `domain/` has no randomness of its own. */
export const makeServiceId = (entropy: string) => make('service', entropy) as ServiceId;
export const makeVeeId = (entropy: string) => make('vee', entropy) as VeeId;
export const makeOperationId = (entropy: string) => make('operation', entropy) as OperationId;
export const makeBlueprintId = (entropy: string) => make('blueprint', entropy) as BlueprintId;
export const makeLeaseId = (entropy: string) => make('lease', entropy) as LeaseId;
export const makeNetworkId = (entropy: string) => make('network', entropy) as NetworkId;
export const makeImageId = (entropy: string) => make('image', entropy) as ImageId;

/** Names that people choose (tenants, sites, hosts, services, components): an RFC 1123 label. */
export const NAME_PATTERN = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;

/** The workflow that owns a service's whole life. Its id is the service's lock. */
export const serviceWorkflowId = (id: ServiceId) => `service/${id}`;
export const hostWorkflowId = (site: SiteId, id: HostId) => `host/${site}/${id}`;
export const siteWorkflowId = (id: SiteId) => `site/${id}`;
/** What looks at the site's hosts for as long as it exists. */
export const watchWorkflowId = (id: SiteId) => `site/${id}/watch`;

/** The entity that admits operations on this subject: its workflow id is the subject's lock. */
export function entityWorkflowId(subject: {
  readonly siteId: SiteId;
  readonly serviceId?: ServiceId;
  readonly hostId?: HostId;
}): string {
  if (subject.serviceId) return serviceWorkflowId(subject.serviceId);
  return subject.hostId ? hostWorkflowId(subject.siteId, subject.hostId) : siteWorkflowId(subject.siteId);
}
export const operationWorkflowId = (id: OperationId) => `operation/${id}`;
/** Not below the operation's own id: what lists operations must not find it. */
export const batchWorkflowId = (id: OperationId, work: string, batch: number) =>
  `batch/${id}/${work}/${batch}`;
export const siteTaskQueue = (id: SiteId) => `site:${id}`;
/** Beside a site's queue, for activities that only wait. */
export const waitTaskQueue = (siteQueue: string) => `${siteQueue}:waits`;
export const agentTaskQueue = (site: SiteId, id: AgentId) => `agent:${site}:${id}`;
