import type { HostId } from '../../ids';
import { add, atLeastNothing, type Capacity, dimensionsOfAll, subtract, ZERO } from '../../units';
import type { Constraint, Snapshot, SpareVee } from '../model';
import { keptFrom } from '../promised';
import { OnlineSite, type Takes } from './online-site';
import type { Resident } from './residents';

/**
 * A site without these VEEs, which are to be put on it one by one: what else is reserved, for what comes or goes, stays where
 * it is.
 */
export function siteWithout(
  { at, hosts, apart }: Pick<Snapshot, 'at' | 'hosts' | 'apart'>,
  vees: readonly { readonly hostId: HostId; readonly need: Capacity }[],
  takes: Takes,
): OnlineSite {
  const rest = new Map(hosts.map((h) => [h.id, h.reserved]));
  for (const { hostId, need } of vees) rest.set(hostId, subtract(rest.get(hostId) ?? ZERO, need));
  // Places are looked for here that nobody gives back soon: what is promised at any time is not free.
  const others = hosts.map((h) => ({
    ...h,
    reserved: add(atLeastNothing(rest.get(h.id) ?? ZERO), keptFrom(h, at) ?? ZERO),
  }));
  const dimensions = dimensionsOfAll([...hosts.map((h) => h.capacity), ...vees.map((v) => v.need)]);
  return new OnlineSite(others, takes, apart, dimensions);
}

export function residentOf(
  site: OnlineSite,
  { tenantId, serviceId, component, image, constraints, need }: Omit<SpareVee, 'id' | 'hostId' | 'slaClass'>,
  { host, counts, name }: Pick<Resident, 'host' | 'counts' | 'name'>,
): Resident {
  return {
    kind: site.kindOf({ tenantId, serviceId, component, image, constraints }),
    shape: site.rooms.shapeOf(need),
    service: serviceId,
    unit: unitOf(serviceId, component, constraints),
    ...{ counts, host, name },
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
