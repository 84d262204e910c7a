import type { Unit } from '../feasibility';
import { bookOf, licenceNames, placeOf } from '../licences';
import type { Snapshot } from '../model';
import type { Rule } from './problem';

/** Licences that are taken by hosts: what takes one may come to so many hosts that have none of it yet. */
export function licenceRulesOf(snapshot: Snapshot, units: readonly Pick<Unit, 'vees'>[]): Rule[] {
  const { hosts, licences } = snapshot;
  const names = licenceNames(units.flatMap((u) => u.vees));
  if (!licences || names.length === 0) return [];
  const book = bookOf(snapshot);
  return names.flatMap((name): Rule[] => {
    const pool = licences.pools.find((p) => p.name === name);
    const takers = [...units.entries()].filter(([, u]) => u.vees.some((v) => v.licences?.includes(name)));
    const first = takers[0]?.[1].vees.find((v) => v.licences?.includes(name));
    if (pool?.per !== 'host' || !first) return [];
    return [
      {
        kind: 'few-places',
        most: Math.max(0, pool.count - book.used(name)),
        items: Int32Array.from(takers, ([item]) => item),
        counts: new Int32Array(takers.length).fill(1),
        colours: new Int32Array(takers.length),
        colourCount: 1,
        placeOf: Int32Array.from(hosts.keys()),
        places: hosts.length,
        resident: Int32Array.from(hosts, ({ id }) => (book.needed(name, placeOf(first, id)) > 0 ? 0 : 1)),
      },
    ];
  });
}
