import type { HostId } from '../ids';
import type { Unit } from './feasibility';
import type { PlacementRequest, Snapshot } from './model';

/**
 * In which order units are put where a solver wants them, so that what is spread is spread at each step if it is in the end: of
 * its component the next one is one for the zone that has the fewest by then. Others keep their turns.
 * @returns positions in `units`
 */
export function inSpreadOrder(
  { hosts, vees }: Pick<Snapshot, 'hosts' | 'vees'>,
  { constraints, vees: asked }: Pick<PlacementRequest, 'constraints' | 'vees'>,
  units: readonly Unit[],
  hostOfUnit: readonly HostId[],
): number[] {
  const order = [...units.keys()];
  const spread = new Set(constraints.flatMap((c) => (c.kind === 'spread' ? [c.component] : [])));
  if (spread.size === 0) return order;
  const zoneOf = new Map(hosts.map((h) => [h.id, h.zone]));
  const moving = new Set(asked.map((v) => v.id));
  const serviceId = asked[0]?.serviceId;
  for (const component of spread) {
    const there = new Map<string, number>();
    const count = (zone: string, by: number) => there.set(zone, (there.get(zone) ?? 0) + by);
    for (const v of vees)
      if (v.serviceId === serviceId && v.component === component && !moving.has(v.id))
        count(zoneOf.get(v.hostId) ?? '', 1);
    const members = (unit: number) => units[unit]?.vees.filter((v) => v.component === component).length ?? 0;
    const turns = [...order.keys()].filter((turn) => members(order[turn] ?? 0) > 0);
    const waiting = turns.map((turn) => order[turn] ?? 0);
    const zone = (unit: number) => zoneOf.get(hostOfUnit[unit] ?? ('' as HostId)) ?? '';
    for (const turn of turns) {
      const next = waiting.reduce((best, unit) =>
        (there.get(zone(unit)) ?? 0) < (there.get(zone(best)) ?? 0) ? unit : best,
      );
      waiting.splice(waiting.indexOf(next), 1);
      order[turn] = next;
      count(zone(next), members(next));
    }
  }
  return order;
}
