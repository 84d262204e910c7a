import type { HostId, LeaseId, ServiceId } from '../../ids';
import { add, atLeastNothing, type Capacity, dimensionsOfAll, subtract, sum, ZERO } from '../../units';
import type { Constraint, Snapshot, SpareVee } from '../model';
import { freeThroughout, keptFrom, type Stay, spanOf } from '../promised';
import { OnlineSite, type Takes } from './online-site';
import type { Resident } from './residents';

/**
 * A site without these VEEs, which are to be put on it one by one: what else is reserved, for what comes or goes, stays where
 * it is.
 */
export function siteWithout(
  { at, hosts, apart, stays }: Pick<Snapshot, 'at' | 'hosts' | 'apart' | 'stays'>,
  vees: readonly { readonly hostId: HostId; readonly serviceId: ServiceId; readonly need: Capacity }[],
  takes: Takes,
  asking?: Stay,
): OnlineSite {
  const rest = new Map(hosts.map((h) => [h.id, h.reserved]));
  for (const { hostId, need } of vees) rest.set(hostId, subtract(rest.get(hostId) ?? ZERO, need));
  // Places are looked for here that nobody gives back soon: what is promised at any time is not free.
  const used = usedOf(vees, stays);
  const others = hosts.map((h) => ({
    ...h,
    // What users of a reservation have of its promise is given back as they are put there.
    reserved: sum([
      atLeastNothing(rest.get(h.id) ?? ZERO),
      keptFrom(h, at) ?? ZERO,
      ...(used.get(h.id)?.values() ?? []),
    ]),
  }));
  const dimensions = dimensionsOfAll([...hosts.map((h) => h.capacity), ...vees.map((v) => v.need)]);
  const site = new OnlineSite(others, takes, apart, dimensions);
  const users = new Set([...(stays?.values() ?? []), ...(asking ? [asking] : [])].map((s) => s.leaseId));
  for (const [n, h] of hosts.entries()) {
    const mine = used.get(h.id) ?? new Map<LeaseId, Capacity>();
    for (const leaseId of new Set([...(h.promised?.promises ?? []).map((p) => p.leaseId), ...mine.keys()])) {
      if (!users.has(leaseId)) continue;
      const left = subtract(freeThroughout(h, spanOf(at, { leaseId })), freeThroughout(h, spanOf(at)));
      site.own.keep(leaseId, n, add(left, mine.get(leaseId) ?? ZERO));
    }
  }
  return site;
}

/** What those that are to be put on hosts hold there on the account of reservations. */
function usedOf(
  vees: readonly { readonly hostId: HostId; readonly serviceId: ServiceId; readonly need: Capacity }[],
  stays: Snapshot['stays'],
): ReadonlyMap<HostId, Map<LeaseId, Capacity>> {
  const used = new Map<HostId, Map<LeaseId, Capacity>>();
  for (const { hostId, serviceId, need } of vees) {
    const leaseId = stays?.get(serviceId)?.leaseId;
    if (!leaseId) continue;
    const there = used.get(hostId) ?? new Map<LeaseId, Capacity>();
    there.set(leaseId, add(there.get(leaseId) ?? ZERO, need));
    used.set(hostId, there);
  }
  return used;
}

export function residentOf(
  site: OnlineSite,
  { tenantId, serviceId, component, image, constraints, need }: Omit<SpareVee, 'id' | 'hostId' | 'slaClass'>,
  { host, counts, name }: Pick<Resident, 'host' | 'counts' | 'name'>,
  stay?: Stay,
): Resident {
  return {
    kind: site.kindOf({ tenantId, serviceId, component, image, constraints }),
    shape: site.rooms.shapeOf(need),
    service: serviceId,
    unit: unitOf(serviceId, component, constraints),
    ...{ counts, host, name },
    ...(stay?.leaseId ? { account: { leaseId: stay.leaseId, need } } : {}),
  };
}

/** Alike for those that affinity ties to one host, be it by way of others. */
function unitOf(
  serviceId: string,
  component: string,
  constraints: readonly Constraint[],
): string | undefined {
  const ties = constraints.flatMap((c) =>
    c.kind === 'together' && c.level === 'host' ? [c.components] : [],
  );
  const tied = new Set<string>();
  for (let more = [component]; more.length > 0; ) {
    const reached = ties.filter((tie) => tie.some((name) => more.includes(name))).flat();
    more = reached.filter((name) => !tied.has(name));
    for (const name of more) tied.add(name);
  }
  return tied.size === 0 ? undefined : `${serviceId} ${[...tied].sort().join(' ')}`;
}
