import type { Json } from '../support/json';
import type { TestSite } from '../support/site';
import type { Scenario } from './scenario';

/** What one looks at for several subjects, read once. */
export interface Sight {
  readonly onHosts: Awaited<ReturnType<TestSite['onHosts']>>;
  readonly reservations: readonly Json[];
}

export async function look(site: TestSite): Promise<Sight> {
  const [onHosts, { body }] = await Promise.all([site.onHosts(), site.get('/v1/holdings')]);
  return { onHosts, reservations: body.items };
}

/**
 * All of a service that an operation has to leave as it was when it is undone, as it is recorded and as it is on the
 * hosts. Counters, epochs and clocks go on; where its VEEs are, and under which ids, counts unless its scenario says
 * otherwise.
 */
export async function stateOf(
  site: TestSite,
  name: string,
  sight: Sight,
  { leavesMoved = false, remakes = false }: Pick<Scenario, 'leavesMoved' | 'remakes'>,
): Promise<Json[]> {
  const placeOf = ({ hostId }: { hostId: string }) => (leavesMoved ? 'somewhere' : hostId);
  const { body } = await site.get(`/v1/services?name=${name}&limit=200`);
  const living = body.items.filter((s: Json) => s.phase !== 'decommissioned');
  return Promise.all(
    living.map(async ({ id, phase, instances, manifestDigest }: Json) => {
      const vees = await site.vees(id);
      const ids = vees.map((v) => v.id);
      const labels = new Map(vees.map((v) => [v.id, `${v.component}/${v.index}`]));
      const nameOf = (veeId: string) => (remakes ? labels.get(veeId) : veeId) ?? veeId;
      return {
        ...{ id, phase, instances, manifestDigest },
        vees: byLabel(vees, nameOf).map((v) => ({
          ...{ id: nameOf(v.id), component: v.component, index: v.index, state: v.state, hostId: placeOf(v) },
          ...{ capacity: v.capacity, image: v.image, transition: v.transition },
        })),
        onHosts: byId(
          sight.onHosts
            .filter((v) => ids.includes(v.veeId))
            .map((v) => ({
              veeId: nameOf(v.veeId),
              hostId: placeOf(v),
              state: v.state,
              capacity: v.capacity,
            })),
        ),
        reservations: byId(
          sight.reservations
            .filter((r) => ids.includes(r.veeId))
            .map((r) => ({ hostId: placeOf(r), veeId: nameOf(r.veeId), amount: r.amount })),
        ),
      };
    }),
  );
}

/** A listing is by age: what was made anew would come at another place in it. */
const byLabel = (vees: readonly Json[], nameOf: (id: string) => string): Json[] =>
  [...vees].sort((a, b) => nameOf(a.id).localeCompare(nameOf(b.id)));

const byId = <T extends { veeId: string; hostId: string }>(items: readonly T[]): T[] =>
  [...items].sort((a, b) => `${a.veeId} ${a.hostId}`.localeCompare(`${b.veeId} ${b.hostId}`));
