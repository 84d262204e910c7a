import fc from 'fast-check';
import type { Meter, PlacementRequest, RequestedVee, Snapshot } from '../../domain/placement/model';
import { planPartially } from '../../domain/placement/partial';
import { plan } from '../../domain/placement/plan';
import { type Place, placeSets, setsOf } from '../../domain/placement/sets';
import { context, host, packing, snapshotOf, vee, within } from '../support/placement';

const web = { name: 'web', components: ['app', 'cache'] };
const label = (v: Pick<RequestedVee, 'component' | 'index'>) => `${v.component}/${v.index}`;

const placedOf = (snapshot: Snapshot, request: PlacementRequest) => {
  const { blueprint, left } = planPartially(snapshot, request, packing, context);
  return { placed: (blueprint?.assignments ?? []).map(label).sort(), left };
};

describe('sets that are placed all or not at all', () => {
  it('are the instances of the same number, joined where they share one', () => {
    const vees = [vee('app', 0), vee('app', 1), vee('cache', 0), vee('db', 0), vee('log', 1)];
    const sets = setsOf(vees, [web, { name: 'log', components: ['log', 'app'] }]);
    expect(sets.map(({ name, vees: of }) => [name, of.map(label)])).toEqual([
      ['web/0 and log/0', ['app/0', 'cache/0']],
      [undefined, ['db/0']],
      ['web/1 and log/1', ['app/1', 'log/1']],
    ]);
  });

  it('leave out one of which a part has no place, and say why', () => {
    // Of the largest first each app has a place, and no cache any.
    const snapshot = snapshotOf([host('h1', 1_000)]);
    const vees = [vee('app', 0, 500), vee('app', 1, 500), vee('cache', 0, 300), vee('cache', 1, 300)];
    expect(placedOf(snapshot, { vees, constraints: [] }).placed).toEqual(['app/0', 'app/1']);
    const { placed, left } = placedOf(snapshot, { vees, constraints: [], sets: [web] });
    expect(placed).toEqual(['app/0', 'cache/0']);
    expect(left.map(label)).toEqual(['app/1', 'cache/1']);
    const told = left.map((l) => l.because ?? JSON.stringify(l.hosts.map((h) => h.refusals)));
    // Those of it are placed the largest first: it is the cache that finds no room.
    expect(told[0]).toBe(
      'The set web/1 has a place as a whole or not at all, and there is no place for cache/1.',
    );
    expect(told[1]).toMatch(/"need":300,"free":0/);
  });

  it('come before what lacks its partner, however small that is', () => {
    const snapshot = snapshotOf([host('h1', 300)]);
    const vees = [...[0, 1, 2].map((i) => vee('app', i, 100)), vee('db', 0, 200)];
    const sets = [{ name: 'shop', components: ['app', 'db'] }];
    const { placed, left } = placedOf(snapshot, { vees, constraints: [], sets });
    expect(placed).toEqual(['app/0', 'db/0']);
    expect(left.map(label)).toEqual(['app/1', 'app/2']);
  });

  it('are as many as trying all finds where some lack their partner, of which none is left that has a place', () => {
    const sizes = fc.array(fc.tuple(fc.constantFrom(100, 200, 300), fc.constantFrom(0, 0, 100, 200, 400)), {
      minLength: 2,
      maxLength: 6,
    });
    const rooms = fc.array(fc.constantFrom(300, 500, 600), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(sizes, rooms, (of, hosts) => {
        const snapshot = snapshotOf(hosts.map((cpu, i) => host(`h${i}`, cpu)));
        const pair = ([app, cache]: readonly [number, number], i: number) =>
          cache > 0 ? [vee('app', i, app), vee('cache', i, cache)] : [vee('app', i, app)];
        const vees = of.flatMap(pair);
        const { placed } = placedOf(snapshot, { vees, constraints: [], sets: [web] });
        const real = of.filter(([, cache]) => cache > 0);
        expect(placed.filter((v) => v.startsWith('cache/'))).toHaveLength(mostByTrying(real, hosts, false));
        const taken = vees.filter((v) => placed.includes(label(v)));
        for (const lone of of.flatMap((s, i) => (s[1] === 0 ? pair(s, i) : []))) {
          if (taken.some((v) => v.id === lone.id)) continue;
          const more = { vees: [...taken, lone], constraints: [] };
          expect(plan(snapshot, more, packing, context).kind).toBe('infeasible');
        }
      }),
      { numRuns: 30 },
    );
  });

  it('are looked for until so much is judged, and no longer', () => {
    const hosts = Array.from({ length: 1_000 }, (_, i) => host(`h${i}`, 1_000));
    const vees = Array.from({ length: 100 }, (_, i) => [vee('app', i, 100 + i), vee('cache', i, 50)]).flat();
    const meter: Meter = { judgements: 0 };
    const most = vees.length * hosts.length;
    // As dear as plans are where no two VEEs are alike; there is room for a share of what is asked for.
    const place: Place = (of) => {
      meter.judgements += of.length * hosts.length;
      const cpu = of.reduce((all, v) => all + v.need.cpuMillis, 0);
      if (cpu > 6_000) return { kind: 'infeasible', proven: false, unplaced: [] };
      return { ...context, kind: 'blueprint', id: context.blueprintId, assignments: [] } as never;
    };
    const { blueprint, left } = placeSets(
      snapshotOf(hosts),
      { vees, constraints: [] },
      setsOf(vees, [web]),
      place,
      meter,
    );
    expect(blueprint).toBeDefined();
    // The smallest 34, which are as many as there can be.
    expect(left).toHaveLength(132);
    // The plan for all, what may go by, and one more that had begun by then.
    expect(meter.judgements).toBeLessThan(most + 600_000 + most);
  });

  it('are as many as trying all finds', () => {
    const sizes = fc.array(fc.tuple(fc.constantFrom(100, 200, 300, 500), fc.constantFrom(100, 200, 400)), {
      minLength: 2,
      maxLength: 5,
    });
    fc.assert(
      fc.property(
        sizes,
        fc.array(fc.constantFrom(300, 500, 600), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        (of, hosts, apart) => {
          const snapshot = snapshotOf(hosts.map((cpu, i) => host(`h${i}`, cpu)));
          const vees = of.flatMap(([app, cache], i) => [vee('app', i, app), vee('cache', i, cache)]);
          const constraints = apart ? [within('app')] : [];
          const { placed } = placedOf(snapshot, { vees, constraints, sets: [web] });
          const complete = of.filter((_, i) => placed.includes(`app/${i}`) && placed.includes(`cache/${i}`));
          // Nothing of any other set is there.
          expect(placed).toHaveLength(2 * complete.length);
          expect(complete).toHaveLength(mostByTrying(of, hosts, apart));
        },
      ),
      { numRuns: 30 },
    );
  });

  it('are many in a moment', () => {
    const snapshot = snapshotOf(Array.from({ length: 10 }, (_, i) => host(`h${i}`, 1_050)));
    const vees = Array.from({ length: 40 }, (_, i) => [vee('app', i, 330), vee('cache', i, 170)]).flat();
    const { placed, left } = placedOf(snapshot, { vees, constraints: [], sets: [web] });
    expect(placed).toHaveLength(40);
    expect(left).toHaveLength(40);
  });
});

/** How many pairs fit, by trying each host, or none, for each pair. */
function mostByTrying(
  pairs: readonly (readonly [number, number])[],
  free: readonly number[],
  apart: boolean,
) {
  const left = [...free];
  const taken = new Set<number>();
  const from = (n: number): number => {
    const pair = pairs[n];
    if (!pair) return 0;
    let most = from(n + 1);
    for (const a of left.keys()) {
      if (apart && taken.has(a)) continue;
      left[a] = (left[a] ?? 0) - pair[0];
      const wasFree = !taken.has(a);
      if (apart) taken.add(a);
      for (const b of left.keys()) {
        left[b] = (left[b] ?? 0) - pair[1];
        if ((left[a] ?? 0) >= 0 && (left[b] ?? 0) >= 0) most = Math.max(most, 1 + from(n + 1));
        left[b] = (left[b] ?? 0) + pair[1];
      }
      left[a] = (left[a] ?? 0) + pair[0];
      if (apart && wasFree) taken.delete(a);
    }
    return most;
  };
  return from(0);
}
