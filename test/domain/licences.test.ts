import fc from 'fast-check';
import type { HostId } from '../../domain/ids';
import { solveExactly } from '../../domain/placement/exact';
import { unitsOf } from '../../domain/placement/feasibility';
import {
  bookOf,
  LICENCE_BASES,
  type LicencePool,
  type LicensedPlace,
  licencesExceeded,
  placeOf,
  withoutPlaces,
  withPlaces,
} from '../../domain/placement/licences';
import type { PlacementRequest, RequestedVee, Snapshot } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import { remediesFor } from '../../domain/placement/remedies';
import { context, host, licensedSite, packing, placed, snapshotOf, vee } from '../support/placement';

const licensed = (component: string, index: number, cpuMillis = 100, licences = ['db']): RequestedVee => ({
  ...vee(component, index, cpuMillis),
  licences,
});
const at = (v: RequestedVee, hostId: string) => placeOf(v, hostId as HostId);
const site = (all: Snapshot['hosts'], ...of: LicencesOf) => licensedSite([...all], ...of);
type LicencesOf = [pools: readonly LicencePool[], places?: readonly LicensedPlace[]];
const request = (...vees: RequestedVee[]): PlacementRequest => ({ vees, constraints: [] });
const refused = (snapshot: Snapshot, asked: PlacementRequest): string => {
  const answer = plan(snapshot, asked, packing, context);
  if (answer.kind === 'blueprint') throw new Error('it was placed');
  expect(answer.proven).toBe(true);
  return refusalSummary(answer);
};
const hosts = [host('h1', 4_000), host('h2', 4_000)];

/** Counted anew from nothing, another way than the planner does. */
function naively({ name, per }: LicencePool, places: readonly LicensedPlace[]): number {
  const taking = places.filter((p) => p.licences.includes(name));
  if (per === 'host') return new Set(taking.map((p) => p.hostId)).size;
  const ids = [...new Set(taking.map((p) => p.veeId))];
  if (per === 'vee') return ids.length;
  const coresOf = (id: string) =>
    Math.max(...taking.filter((p) => p.veeId === id).map((p) => Math.ceil(p.cpuMillis / 1_000)));
  return ids.reduce((n, id) => n + coresOf(id), 0);
}

describe('licences', () => {
  it('are counted by VEE, by host, and by core rounded up; what moves counts once but where hosts count', () => {
    const places = [
      at(licensed('a', 0, 1_100), 'h1'),
      at(licensed('a', 0, 1_100), 'h2'),
      at(licensed('a', 1), 'h1'),
    ];
    const used = LICENCE_BASES.map((per) => {
      const pools = [{ name: 'db', count: 1, per }];
      const book = bookOf(site(hosts, pools, places));
      expect(book.used('db')).toBe(naively({ name: 'db', count: 1, per }, places));
      return [per, book.used('db')];
    });
    expect(Object.fromEntries(used)).toEqual({ vee: 2, host: 2, core: 3 });
  });

  it('refuse what would take more than there are, and say what would do', () => {
    const pools: LicencePool[] = [{ name: 'db', count: 2, per: 'vee' }];
    const snapshot = site(hosts, pools, [at(licensed('x', 0), 'h1'), at(licensed('x', 1), 'h1')]);
    expect(refused(snapshot, request(licensed('a', 0)))).toContain('all 2 of db are in use');
    expect(refused(site(hosts, []), request(licensed('a', 0)))).toContain('the site has no licence db');
    expect(refused(snapshotOf(hosts), request(licensed('a', 0)))).toContain('the site has no licence db');
    const cores = site(hosts, [{ name: 'db', count: 2, per: 'core' }], [at(licensed('x', 0), 'h1')]);
    const large = request(licensed('a', 0, 1_500));
    expect(refused(cores, large)).toContain('2 of db needed, 1 of 2 free');
    const question = { snapshot: cores, request: large, policy: packing, context };
    expect(remediesFor(question)).toContainEqual({ by: 'operator', if: 'with 1 more licence of db' });
    // What takes none is nobody's affair.
    expect(placed(snapshot, request(vee('a', 0)))).toEqual({ 'a/0': expect.any(String) });
  });

  it('are shared by those on one host where hosts take them', () => {
    const pools: LicencePool[] = [{ name: 'db', count: 1, per: 'host' }];
    const both = placed(site(hosts, pools), request(licensed('a', 0), licensed('a', 1)), {
      name: 'striping',
    });
    expect(new Set(Object.values(both)).size).toBe(1);
    const busy = site(hosts, pools, [at(licensed('x', 0), 'h2')]);
    expect(placed(busy, request(licensed('a', 0)))).toEqual({ 'a/0': 'h2' });
    // The first is best off where the second has no room: the exact search sees that.
    const tight = [host('tight', 100), host('wide', 300)];
    const answer = plan(site(tight, pools), request(licensed('a', 0), licensed('b', 0)), packing, context);
    expect(answer).toMatchObject({ kind: 'blueprint', algorithm: 'exact' });
  });

  it('are not taken by hosts that are lost, so that what was there can be recovered', () => {
    const pools: LicencePool[] = [{ name: 'db', count: 1, per: 'host' }];
    const moving = { ...licensed('a', 0), moving: { from: 'h1' as HostId, away: true } };
    const places = [at(moving, 'h1')];
    expect(refused(site(hosts, pools, places), request(moving))).toContain('all 1 of db are in use');
    const lost = [host('h1', 4_000, { liveness: 'lost' }), host('h2', 4_000)];
    expect(placed(site(lost, pools, places), request(moving))).toEqual({ 'a/0': 'h2' });
    for (const per of ['vee', 'core'] as const)
      expect(placed(site(hosts, [{ name: 'db', count: 1, per }], places), request(moving))).toEqual({
        'a/0': 'h2',
      });
  });

  it('follow what is planned one after the other', () => {
    const snapshot = site(hosts, [{ name: 'db', count: 1, per: 'vee' }]);
    const [a, b] = [licensed('a', 0), licensed('b', 0)];
    const then = withPlaces(snapshot, [at(a, 'h1')]);
    expect(refused(then, request(b))).toContain('all 1 of db are in use');
    expect(placed(withoutPlaces(then, a.id), request(b))).toEqual({ 'b/0': expect.any(String) });
    expect(licencesExceeded(withPlaces(then, [at(b, 'h2')]))).toEqual([
      '2 of db are in use, and there are 1',
    ]);
  });

  it('are never more in use than there are, whatever is placed one request after the other', () => {
    const pool = (name: string) =>
      fc.record({
        name: fc.constant(name),
        count: fc.integer({ min: 0, max: 4 }),
        per: fc.constantFrom(...LICENCE_BASES),
      });
    const one = fc.record({
      cpu: fc.integer({ min: 1, max: 2_500 }),
      licences: fc.subarray(['db', 'os']),
    });
    let placedAny = 0;
    fc.assert(
      fc.property(
        fc.tuple(pool('db'), pool('os')),
        fc.array(fc.array(one, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
        fc.constantFrom('packing', 'striping', 'latency'),
        (pools, requests, name) => {
          let snapshot = site([host('h1', 4_000), host('h2', 3_000), host('h3', 2_000)], pools);
          for (const [r, vees] of requests.entries()) {
            const asked = request(...vees.map((v, i) => licensed(`c${r}`, i, v.cpu, v.licences)));
            const answer = plan(snapshot, asked, { name }, context);
            const taken = asked.vees.flatMap((v) => {
              const a = answer.kind === 'blueprint' && answer.assignments.find((x) => x.veeId === v.id);
              return a ? [at(v, a.hostId)] : [];
            });
            placedAny += taken.length;
            snapshot = withPlaces(snapshot, taken);
            for (const p of pools)
              expect(naively(p, snapshot.licences?.places ?? [])).toBeLessThanOrEqual(p.count);
          }
        },
      ),
      { numRuns: 150 },
    );
    expect(placedAny).toBeGreaterThan(100);
  });

  it('are found by the exact search where hosts can share them, and never too many', () => {
    let missed = 0;
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(sizes, sizes, fc.integer({ min: 0, max: 3 }), (rooms, needs, count) => {
        const all = rooms.map((room, h) => host(`h${h}`, 100 * room));
        const asked = request(...needs.map((n, i) => licensed('a', i, 100 * n)));
        const snapshot = site(all, [{ name: 'db', count, per: 'host' }]);
        const answer = solveExactly(snapshot, asked, unitsOf(asked));
        const possible = anyWay(rooms, needs, count);
        if (answer.kind === 'placed') {
          expect(new Set(answer.hostOfUnit).size).toBeLessThanOrEqual(count);
          expect(possible).toBe(true);
        } else if (possible) missed++;
      }),
      { numRuns: 150 },
    );
    // The solver is not believed when it finds nothing (docs/adr/0006), and finds nearly all the same.
    expect(missed).toBeLessThanOrEqual(3);
  });
});

/** By trying all ways. */
function anyWay(
  rooms: readonly number[],
  needs: readonly number[],
  count: number,
  used = new Set<number>(),
): boolean {
  const [need, ...rest] = needs;
  if (need === undefined) return used.size <= count;
  return rooms.some((room, h) => {
    if (room < need) return false;
    const left = rooms.map((r, i) => (i === h ? r - need : r));
    return anyWay(left, rest, count, new Set([...used, h]));
  });
}
