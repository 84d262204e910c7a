import type { HostId, ServiceId, SiteId, VeeId } from '../domain/ids';
import { isInWindow } from '../domain/manifest/maintenance-windows';
import type { Manifest } from '../domain/manifest/schema';
import { DEFAULT_SLA_CLASS, isAtLeast, type SlaClass } from '../domain/manifest/sla-class';
import type { Usage } from '../domain/measured';
import type { OperationRecord } from '../domain/operation/operation';
import { algorithmsIn } from '../domain/placement/algorithms';
import { measuredPartOf } from '../domain/placement/built-in-policies';
import { constraintsOf, preferencesOf } from '../domain/placement/constraints';
import type { Apartness, SnapshotHost } from '../domain/placement/model';
import { type BalancedVee, type BalanceQuestion, COOL_DOWN_MILLIS } from '../domain/rebalance/model';
import { type ServiceRecord, stayOfService } from '../domain/service/service';
import { nextState, occupiesHost } from '../domain/vee/state-machine';
import type { VeeRecord } from '../domain/vee/vee';
import { copyKey } from './host-loads';
import { toSnapshotHost } from './hosts';
import type { Store } from './store';

/** Who looks: people, the site by itself, or an operation that confirms what it has decided already. */
export type Looker = 'people' | 'site' | 'confirming';

/**
 * What a rebalance sees. What is under way is read first: whatever began since finds its service free, and the move that
 * is asked for then waits for it and chooses anew.
 */
export async function readBalanceQuestion(
  store: Store,
  now: number,
  {
    siteId,
    policy,
    budget,
    mostMoves,
  }: Pick<BalanceQuestion, 'policy' | 'budget' | 'mostMoves'> & { siteId: SiteId },
  looker: Looker,
): Promise<BalanceQuestion> {
  const busy = new Map<ServiceId, OperationRecord>();
  for (const o of await store.operations.underWay()) if (o.serviceId) busy.set(o.serviceId, o);
  const since = now - COOL_DOWN_MILLIS;
  const [offers, vees, services, apart, spare, licences, algorithms, tried, moved] = await Promise.all([
    store.hosts.offers(),
    store.vees.find({ living: true }),
    store.services.living(),
    store.identities.apartness(),
    store.site.spare(siteId),
    store.licences.pools(),
    store.site.algorithms(siteId),
    looker === 'confirming' ? [] : triedSince(store, since),
    looker === 'site' ? store.vees.movedSince(since) : [],
  ]);
  const manifests = await store.services.manifests(services.map((s) => s.manifestDigest));
  const hosts = offers.map(toSnapshotHost);
  const used = measuredPartOf(policy) > 0 ? await store.hosts.usage() : new Map<string, Usage>();
  const seen: Seen = {
    hosts: new Map(hosts.map((h) => [h.id, h])),
    services: new Map(services.map((s) => [s.id, s])),
    busy,
    tried: new Set(tried),
    moved: new Set(moved),
    limited: new Set(services.filter((s) => stayOfService(s)).map((s) => s.id)),
    apart,
    perHostLicences: new Set(licences.filter((l) => l.per === 'host').map((l) => l.name)),
    closed: new Set(
      services
        .filter((s) => {
          const windows = manifests.get(s.manifestDigest)?.maintenanceWindows;
          return windows && !isInWindow(windows, now);
        })
        .map((s) => s.id),
    ),
    classes: new Map(
      services.map((s) => [s.id, manifests.get(s.manifestDigest)?.slaClass ?? DEFAULT_SLA_CLASS]),
    ),
    ranked: new Set(
      services.flatMap((s) =>
        (manifests.get(s.manifestDigest)?.placement.rank ?? []).map((r) => `${s.id}/${r.component}`),
      ),
    ),
  };
  return {
    at: now,
    hosts,
    vees: vees
      .filter((v) => occupiesHost(v.state))
      .map((vee) => toBalanced(vee, seen, used.get(copyKey(vee.id, vee.epoch)))),
    constraints: services.flatMap((s) => {
      const manifest = manifests.get(s.manifestDigest);
      return manifest ? constraintsOf(manifest, s.id) : [];
    }),
    preferences: services.flatMap((s) => {
      const manifest = manifests.get(s.manifestDigest);
      return manifest ? preferencesOf(manifest, s.id) : [];
    }),
    ...(spare
      ? { spare: { lose: spare.lose, counting: countingFor(spare.least, services, manifests) } }
      : {}),
    policy,
    algorithms: algorithmsIn(algorithms),
    budget,
    mostMoves,
  };
}

/** The services of at least a class. */
function countingFor(
  least: SlaClass,
  services: readonly ServiceRecord[],
  manifests: ReadonlyMap<string, Manifest>,
): ServiceId[] {
  return services
    .filter((s) => isAtLeast(manifests.get(s.manifestDigest)?.slaClass ?? DEFAULT_SLA_CLASS, least))
    .map((s) => s.id);
}

/** What rebalances have asked to be moved since then, whatever came of it; but not what somebody has called off. */
async function triedSince(store: Store, since: number): Promise<VeeId[]> {
  const rebalances = await store.rebalances.since(since);
  const moves = await store.operations.childrenOf(rebalances.map((r) => r.id));
  return moves
    .filter((o) => o.error?.code !== 'cancelled')
    .flatMap((o) => (o.params.veeIds ?? []) as readonly VeeId[]);
}

export interface Seen {
  readonly hosts: ReadonlyMap<HostId, SnapshotHost>;
  readonly services: ReadonlyMap<ServiceId, ServiceRecord>;
  readonly busy: ReadonlyMap<ServiceId, OperationRecord>;
  /** By a rebalance within the hour, whatever came of it. */
  readonly tried: ReadonlySet<VeeId>;
  readonly moved: ReadonlySet<VeeId>;
  readonly classes: ReadonlyMap<ServiceId, SlaClass>;
  /** Services that have an end, or use a reservation. */
  readonly limited: ReadonlySet<ServiceId>;
  /** Components with a rank of their own, as `service/component`. */
  readonly ranked: ReadonlySet<string>;
  readonly apart: Apartness;
  /** Licences that hosts take. */
  readonly perHostLicences: ReadonlySet<string>;
  /** Services that may not be moved at this time. */
  readonly closed: ReadonlySet<ServiceId>;
}

function toBalanced(vee: VeeRecord, seen: Seen, used: Usage | undefined): BalancedVee {
  const { id, tenantId, serviceId, component, index, template, hostId } = vee;
  const fixed = whyFixed(vee, seen);
  return {
    ...{ id, tenantId, serviceId, component, index, hostId },
    serviceName: seen.services.get(serviceId)?.name ?? serviceId,
    need: template.capacity,
    image: template.image,
    stopGraceMillis: template.stopGraceMillis,
    ...(used ? { used } : {}),
    slaClass: seen.classes.get(serviceId) ?? DEFAULT_SLA_CLASS,
    ...(fixed ? { fixed } : {}),
  };
}

/** Why it is to stay where it is; nothing where it may go. */
export function whyFixed(
  vee: VeeRecord,
  { hosts, services, busy, tried, moved, limited, ranked, apart, perHostLicences, closed }: Seen,
): string | undefined {
  const service = services.get(vee.serviceId);
  const holder = busy.get(vee.serviceId)?.id ?? vee.transition?.operationId;
  if (holder) return `${holder} is at work on its service`;
  if (service?.phase !== 'operating' || service.recomposition)
    return 'its service is not as its manifest says';
  if (nextState(vee.state, 'migrate') === undefined) return `it is ${vee.state}`;
  if (hosts.get(vee.hostId)?.capabilities.migration === 'none') return 'its driver can’t migrate';
  // Those that it is kept apart from stay as well: so none of them is ever moved to another.
  if (apart.has(vee.tenantId)) return 'its tenant is kept apart from others';
  // While it moved, two hosts would take one: that may be one too many.
  if (vee.template.licences?.some((name) => perHostLicences.has(name)))
    return 'its host takes a licence for it';
  if (closed.has(vee.serviceId)) return 'it is outside the maintenance windows of its service';
  if (ranked.has(`${vee.serviceId}/${vee.component}`)) return 'its component ranks hosts itself';
  if (limited.has(vee.serviceId)) return 'its service has an end, or uses a reservation';
  if (tried.has(vee.id)) return 'a rebalance has moved it within the hour, or tried to';
  return moved.has(vee.id) ? 'it has moved within the hour' : undefined;
}
