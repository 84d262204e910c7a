import type { HostId, TenantId } from '../ids';
import type { Apartness, PlacedVee, SnapshotHost } from './model';

/** @param declared by one side or by both */
export function apartnessOf(
  declared: readonly { readonly id: TenantId; readonly apartFrom?: readonly TenantId[] }[],
): Apartness {
  const apart = new Map<TenantId, Set<TenantId>>();
  const add = (a: TenantId, b: TenantId) => apart.set(a, (apart.get(a) ?? new Set()).add(b));
  for (const { id, apartFrom = [] } of declared)
    for (const other of apartFrom) {
      add(id, other);
      add(other, id);
    }
  return apart;
}

/** The hosts on which a tenant's VEEs must not be, as somebody is there whom it is kept apart from. */
export function hostsClosedTo(
  tenantId: TenantId,
  apart: Apartness | undefined,
  vees: readonly Pick<PlacedVee, 'tenantId' | 'hostId'>[],
): ReadonlySet<HostId> {
  const others = apart?.get(tenantId);
  return new Set(others ? vees.filter((v) => others.has(v.tenantId)).map((v) => v.hostId) : []);
}

/** Whom something is promised to, and where: at any time, as what is placed now may be there by then. */
export const promisedPlaces = (
  hosts: readonly Pick<SnapshotHost, 'id' | 'promised'>[],
): Pick<PlacedVee, 'tenantId' | 'hostId'>[] =>
  hosts.flatMap(({ id: hostId, promised }) =>
    (promised?.promises ?? []).map(({ tenantId }) => ({ tenantId, hostId })),
  );

/** Where tenants that are kept apart share a host, in words. */
export function tenantsTogether(
  apart: Apartness,
  vees: readonly Pick<PlacedVee, 'tenantId' | 'hostId'>[],
): string[] {
  return [...apart].flatMap(([tenantId, others]) => {
    const closed = hostsClosedTo(tenantId, new Map([[tenantId, others]]), vees);
    const mine = new Set(vees.filter((v) => v.tenantId === tenantId).map((v) => v.hostId));
    return [...mine]
      .filter((hostId) => closed.has(hostId))
      .map((hostId) => `${tenantId} shares ${hostId} with whom it is kept apart from`);
  });
}
