import { groupBy } from '../group-by';
import type { HostId } from '../ids';
import { SLA_CLASSES } from '../manifest/sla-class';
import { goalOf, packs } from '../placement/built-in-policies';
import { constraintsOf } from '../placement/constraints';
import { residentOf, siteWithout } from '../placement/online/from-snapshot';
import type { OnlineSite } from '../placement/online/online-site';
import { type Resident, Residents } from '../placement/online/residents';
import { NOWHERE } from '../placement/online/rule-counts';
import { occupiesHost } from '../vee/state-machine';
import type { FailoverQuestion, FailoverService, Stranded } from './failover-question';

type Lost = { readonly stranded: Stranded; readonly rank: number };

/**
 * What would have no place if hosts were lost, for sites of thousands of them, where playing each loss through by plans takes
 * hours: in the order of recoveries each VEE takes the best host that may take it, and nothing is tried twice. Where all has
 * a place there is one; what has none might get one by a plan.
 */
export function quickLosses(
  { snapshot, services, vees, policy }: Omit<FailoverQuestion, 'hosts' | 'least'>,
  before: readonly HostId[],
): (hostIds: readonly HostId[]) => Stranded[] {
  const placed = vees
    .filter((v) => occupiesHost(v.state))
    .map((v) => ({ vee: v, hostId: v.hostId, serviceId: v.serviceId, need: v.template.capacity }));
  const site = siteWithout(snapshot, placed, packs(goalOf(policy)) ? 'tightest' : 'emptiest');
  const residents = new Residents(site);
  const numberOf = new Map(snapshot.hosts.map((h, n) => [h.id, n]));
  const inOrder = SLA_CLASSES.flatMap((c) => services.filter((s) => s.slaClass === c));
  const byId = new Map(
    inOrder.map((of, rank) => [
      of.service.id,
      { of, rank, constraints: constraintsOf(of.manifest, of.service.id) },
    ]),
  );
  const known = new Map<Resident, Lost>();
  for (const { vee, hostId, need } of placed) {
    const service = byId.get(vee.serviceId);
    const host = numberOf.get(hostId);
    if (!service || host === undefined) continue;
    const of = { ...vee, image: vee.template.image, need, constraints: service.constraints };
    const stay = snapshot.stays?.get(vee.serviceId);
    const resident = residentOf(site, of, { host, counts: true, name: vee.id }, stay);
    residents.settle(resident);
    known.set(resident, { stranded: strandedOf(vee, service.of), rank: service.rank });
  }
  const numbers = (ids: readonly HostId[]) => ids.flatMap((id) => numberOf.get(id) ?? []);
  return (hostIds) => {
    const gone = numbers([...before, ...hostIds]);
    return residents.without(gone, (put) =>
      gone.flatMap((host) =>
        unitsIn(site, residents.on([host]), (r) => known.get(r)?.rank ?? 0).flatMap((unit) =>
          settled(residents, unit, put) ? [] : unit.flatMap((r) => known.get(r)?.stranded ?? []),
        ),
      ),
    );
  };
}

function strandedOf(
  { id: veeId, serviceId, component, index }: FailoverQuestion['vees'][number],
  { service: { tenantId, name }, slaClass }: FailoverService,
): Stranded {
  const because =
    'No host that may take it has the room, as far as was looked for in a site as large as this.';
  return { ...{ veeId, serviceId, component, index, slaClass }, service: `${tenantId}:${name}`, because };
}

/** What is on a host, service by service, the largest first; what goes to one host as one. */
function unitsIn(
  site: OnlineSite,
  there: readonly Resident[],
  rankOf: (r: Resident) => number,
): Resident[][] {
  return [...groupBy(there, (r) => r.unit ?? r).values()]
    .map((of) => {
      const size = of.reduce((sum, r) => sum + site.rooms.sizeOf(r.shape), 0);
      return { of, size, rank: Math.min(...of.map(rankOf)) };
    })
    .sort((a, b) => a.rank - b.rank || b.size - a.size)
    .map(({ of }) => of);
}

function settled(
  residents: Residents,
  unit: readonly Resident[],
  put: (r: Resident, to: number) => void,
): boolean {
  const [first] = unit;
  if (!first) return true;
  const { site } = residents;
  const to = residents.lookedFor(first, () =>
    unit.length === 1 ? site.find(first.kind, first.shape) : site.findForAll(unit, 0),
  );
  if (to === NOWHERE) return false;
  for (const r of unit) put(r, to);
  return true;
}
