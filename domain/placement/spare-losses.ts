import type { HostId } from '../ids';
import { isAtLeast } from '../manifest/sla-class';
import type { Snapshot, Spare } from './model';
import { Evacuations } from './online/evacuations';
import { residentOf, siteWithout } from './online/from-snapshot';

/** @returns what the losses that room is kept for would leave without a place, and the loss of what it is, by its id */
export function strandedBy(
  { at, hosts, apart, stays }: Pick<Snapshot, 'at' | 'hosts' | 'apart' | 'stays'>,
  { lose, least, vees }: Spare,
): Map<string, string> {
  const numberOf = new Map(hosts.map((h, n): [HostId, number] => [h.id, n]));
  const site = siteWithout(
    { at, hosts, ...(apart ? { apart } : {}), ...(stays ? { stays } : {}) },
    vees,
    'tightest',
  );
  const residents = vees.flatMap((v) => {
    const host = numberOf.get(v.hostId);
    if (host === undefined) return [];
    const counts = isAtLeast(v.slaClass, least);
    return [residentOf(site, v, { host, counts, name: v.id }, stays?.get(v.serviceId))];
  });
  const strandings = new Evacuations(site, lose, residents).strandings();
  return new Map(strandings.map(({ stranded, lost }) => [stranded.name, lost]));
}
