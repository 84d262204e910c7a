import fc from 'fast-check';
import type { HostId, VeeId } from '../../domain/ids';
import type { Constraint, PlacementRequest, Snapshot } from '../../domain/placement/model';
import { lowerBound } from '../../domain/placement/optimize/bound';
import { bestOf, solveAlone } from '../../domain/placement/optimize/portfolio';
import { search } from '../../domain/placement/optimize/search';
import type { Solve } from '../../domain/placement/optimize/solver';
import { faultsOf } from '../../domain/placement/optimize/verify';
import { plan } from '../../domain/placement/plan';
import { solveByHighs } from '../../process/portfolio/highs';
import { context, host, licensedSite, packing, serviceId, vee } from '../support/placement';
import { planted } from '../support/planted';
import { leastByTrying, problems } from '../support/problems';

const hard = problems({ items: 5, hosts: 3, kinds: ['spread', 'few-places', 'at-most'] });
const spreadOf = (component: string, maxSkew = 1): Constraint => ({
  ...{ kind: 'spread', serviceId, level: 'zone', component, maxSkew },
});
const found = (snapshot: Snapshot, request: PlacementRequest, solve?: Solve) => {
  const answer = plan(snapshot, request, packing, context, solve);
  return answer.kind === 'blueprint' ? answer : undefined;
};

describe('searches', () => {
  it('heed what is spread and what few hosts may take, and find what trying all finds', () => {
    const drawn = fc.sample(hard, { numRuns: 250, seed: 5 });
    const sound = drawn
      .map((problem) => ({ problem, least: leastByTrying(problem) }))
      .filter(({ problem, least }) => least < Infinity && problem.rules.some((r) => r.kind !== 'at-most'));
    expect(sound.length).toBeGreaterThan(12);
    for (const { problem, least } of sound) {
      const { placement, cost } = search(problem, 's', { steps: 2_000, bound: least });
      expect(placement && faultsOf(problem, placement)).toEqual([]);
      expect(cost).toBeCloseTo(least, 6);
    }
  });

  it('mean the same by it as the program for exact solvers', async () => {
    for (const problem of fc.sample(hard, { numRuns: 10, seed: 3 })) {
      const least = leastByTrying(problem);
      const exact = await solveByHighs(problem, { millis: 5_000 });
      const { cost } = bestOf(problem, { seed: 's', steps: 1, looks: 1, bound: lowerBound(problem) }, [
        { solver: 'HiGHS', bound: exact.bound, ...(exact.placement ? { placement: exact.placement } : {}) },
      ]);
      expect(cost).toBeCloseTo(least, 6);
    }
  });
});

describe('a nearly full site', () => {
  it('takes what is spread, in an order in which it always is', () => {
    const outcomes = Array.from({ length: 16 }, (_, n) => {
      const { snapshot, request } = planted(`${n}`, 12, 0.91);
      const hosts = snapshot.hosts.map((h, i) => ({ ...h, zone: `z${i % 3}` }));
      const zoneOf = new Map(hosts.map((h) => [h.id, h.zone]));
      const vees = request.vees.map((v, i) => ({ ...v, component: i % 4 === 0 ? 'spread' : v.component }));
      // Two of it are in z0 already.
      const runs = [8, 9].map((i) => ({
        ...vee('spread', i),
        id: `vee-${i}-runs` as VeeId,
        hostId: 'h0' as HostId,
      }));
      const blueprint = found(
        { ...snapshot, hosts, vees: runs },
        { vees, constraints: [spreadOf('spread')] },
      );
      const there = new Map([...new Set(zoneOf.values())].map((zone) => [zone, zone === 'z0' ? 2 : 0]));
      // At each step, not only in the end.
      for (const { component, hostId } of blueprint?.assignments ?? []) {
        if (component !== 'spread') continue;
        const zone = zoneOf.get(hostId) ?? '';
        there.set(zone, (there.get(zone) ?? 0) + 1);
        expect((there.get(zone) ?? 0) - Math.min(...there.values())).toBeLessThanOrEqual(1);
      }
      return blueprint?.algorithm ?? 'none';
    });
    expect(outcomes).not.toContain('none');
    expect(outcomes.filter((o) => o === 'search').length).toBeGreaterThan(5);
  });

  it('takes what needs licences by host on as few hosts as there are licences for', () => {
    const hosts = Array.from({ length: 4 }, (_, i) => host(`h${i}`, 1_000));
    const site = licensedSite(hosts, [{ name: 'db', count: 2, per: 'host' }]);
    // Six of 330 need two hosts to themselves; of the largest first the others would be there.
    const licensed = Array.from({ length: 6 }, (_, i) => ({ ...vee('db', i, 330), licences: ['db'] }));
    const others = Array.from({ length: 4 }, (_, i) => vee('app', i, 480));
    const blueprint = found(site, { vees: [...others, ...licensed], constraints: [] }, solveAlone);
    const taken = new Set(blueprint?.assignments.flatMap((a) => (a.component === 'db' ? [a.hostId] : [])));
    expect(taken.size).toBe(2);
  });
});
