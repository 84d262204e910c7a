import fc from 'fast-check';
import { choose, judge } from '../../domain/placement/choice';
import { Board, unitsOf } from '../../domain/placement/feasibility';
import { Judge } from '../../domain/placement/judge';
import { LICENCE_BASES } from '../../domain/placement/licences';
import type { Constraint, PlacementRequest } from '../../domain/placement/model';
import type { Policy } from '../../domain/placement/policy';
import { host, serviceId, snapshotOf, vee } from '../support/placement';

const level = fc.constantFrom('host' as const, 'zone' as const);
const component = fc.constantFrom('app', 'db');
const rule: fc.Arbitrary<Constraint> = fc.oneof(
  fc.record({
    ...{ kind: fc.constant('apart-within' as const), serviceId: fc.constant(serviceId), level, component },
    most: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({
    ...{ kind: fc.constantFrom('apart-between' as const, 'together' as const), level },
    ...{ serviceId: fc.constant(serviceId), components: fc.constant(['app', 'db']) },
  }),
  fc.record({
    ...{ kind: fc.constant('spread' as const), level: fc.constant('zone' as const), component },
    ...{ serviceId: fc.constant(serviceId), maxSkew: fc.constant(1) },
  }),
  fc.record({
    ...{ kind: fc.constant('assignment' as const), serviceId: fc.constant(serviceId), component },
    ...{ labels: fc.constant({}), denyHosts: fc.subarray(['h0', 'h1', 'h2']) },
  }),
);
const scene = fc.record({
  hosts: fc.array(fc.record({ cpu: fc.integer({ min: 100, max: 900 }), zone: fc.constantFrom('a', 'b') }), {
    ...{ minLength: 1, maxLength: 6 },
  }),
  constraints: fc.array(rule, { maxLength: 2 }),
  preferences: fc.array(fc.record({ constraint: rule, weight: fc.integer({ min: 1, max: 3 }) }), {
    ...{ maxLength: 1 },
  }),
  ranked: fc.boolean(),
  policy: fc.constantFrom('packing', 'striping', 'latency', 'weighted'),
  vees: fc.array(
    fc.record({ component, cpu: fc.constantFrom(50, 100), licences: fc.subarray(['x', 'y', 'none']) }),
    { minLength: 1, maxLength: 12 },
  ),
  pools: fc.tuple(
    ...(['x', 'y'] as const).map((name) =>
      fc.record({
        name: fc.constant(name),
        count: fc.integer({ min: 0, max: 6 }),
        per: fc.constantFrom(...LICENCE_BASES),
      }),
    ),
  ),
});

describe('what is judged again', () => {
  it('is what it would be if every host were', () => {
    fc.assert(
      fc.property(scene, ({ hosts, constraints, preferences, ranked, policy: name, vees, pools }) => {
        const policy: Policy = { name };
        const request: PlacementRequest = {
          ...{ constraints, preferences },
          ranks: ranked
            ? [{ component: 'db', expression: 'host.capacity.cpuMillis - 100 * host.sameService.onHost' }]
            : [],
          vees: vees.map(({ component: of, cpu, licences }, n) => ({
            ...vee(of, n, cpu),
            licences: licences.filter((l) => l !== 'none' || vees.length > 10),
          })),
        };
        const site = {
          ...snapshotOf(hosts.map(({ cpu, zone }, n) => host(`h${n}`, cpu, { zone }))),
          licences: { pools, places: [] },
        };
        const board = new Board(site, request);
        const judges = new Judge(board, request, policy);
        for (const unit of unitsOf(request)) {
          const verdicts = judges.verdictsOn(unit);
          expect(verdicts).toEqual(judge(board, unit, policy));
          const best = choose(verdicts, 's');
          if (best !== undefined) judges.put(unit, best);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('is little, also of what takes licences: all hosts only once the last one goes', () => {
    for (const per of LICENCE_BASES) {
      const request: PlacementRequest = {
        constraints: [],
        vees: Array.from({ length: 30 }, (_, n) => ({ ...vee('db', n, 100), licences: ['x'] })),
      };
      const hosts = Array.from({ length: 100 }, (_, n) => host(`h${n}`, 300));
      const site = { ...snapshotOf(hosts), licences: { pools: [{ name: 'x', count: 20, per }], places: [] } };
      const board = new Board(site, request);
      const judges = new Judge(board, request, { name: 'striping' });
      const asked = jest.spyOn(board, 'refusals');
      for (const unit of unitsOf(request)) {
        const best = choose(judges.verdictsOn(unit), 's');
        if (best !== undefined) judges.put(unit, best);
      }
      expect(asked.mock.calls.length).toBeLessThan(300);
    }
  });
});
