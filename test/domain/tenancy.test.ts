import fc from 'fast-check';
import type { HostId, TenantId, VeeId } from '../../domain/ids';
import type { PlacedVee, Snapshot } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import { refusalCounts, refusalSummary } from '../../domain/placement/refusal-summary';
import { apartnessOf, hostsClosedTo, tenantsTogether } from '../../domain/placement/tenancy';
import { context, host, packing, placed, serviceId, snapshotOf, tenantId, vee } from '../support/placement';

const tenant = (id: string) => id as TenantId;
const there = (n: number, tenantOf: string, hostId: string): PlacedVee => ({
  ...{
    id: `there-${n}` as VeeId,
    tenantId: tenant(tenantOf),
    serviceId,
    component: 'x',
    hostId: hostId as HostId,
  },
});

describe('tenants that are kept apart', () => {
  const apart = apartnessOf([{ id: tenant('rival'), apartFrom: [tenantId] }]);

  it('are so both ways, whoever of them it was said of', () => {
    expect(apart.get(tenantId)).toEqual(new Set(['rival']));
    expect(apart.get(tenant('rival'))).toEqual(new Set([tenantId]));
    expect(apartnessOf([{ id: tenantId }, { id: tenant('x'), apartFrom: [] }]).size).toBe(0);
  });

  it('never share a host, although one would be the best', () => {
    const site: Snapshot = {
      ...snapshotOf([host('small', 500), host('big', 4_000)]),
      ...{ vees: [there(1, 'rival', 'small'), there(2, 'friend', 'big')], apart },
    };
    const request = { vees: [vee('app', 0)], constraints: [] };
    expect(placed(site, request)).toEqual({ 'app/0': 'big' });
    const { apart: _, ...open } = site;
    expect(placed(open, request)).toEqual({ 'app/0': 'small' });
  });

  it('are told to operators, and not to each other', () => {
    const site: Snapshot = { ...snapshotOf([host('only', 4_000)]), vees: [there(1, 'rival', 'only')], apart };
    const answer = plan(site, { vees: [vee('app', 0)], constraints: [] }, packing, context);
    if (answer.kind !== 'infeasible') throw new Error('placed');
    expect(refusalSummary(answer)).toContain(
      'the host has VEEs of a tenant that this one is kept apart from',
    );
    expect(refusalSummary(answer)).not.toContain('rival');
    expect(refusalCounts(answer)).toBe('No host can take app/0: 1 × capacity.');
  });

  it('are found where they share one, and a plan never puts them there', () => {
    const names = ['a', 'b', 'c', tenantId];
    const declared = fc.array(fc.tuple(fc.constantFrom(...names), fc.constantFrom(...names)), {
      maxLength: 4,
    });
    const vees = fc.array(fc.tuple(fc.constantFrom(...names), fc.constantFrom('h1', 'h2', 'h3')), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(declared, vees, (pairs, places) => {
        const rules = apartnessOf(
          pairs.filter(([a, b]) => a !== b).map(([a, b]) => ({ id: tenant(a), apartFrom: [tenant(b)] })),
        );
        const all = places.map(([t, h], n) => there(n, t, h));
        const clash = (a: PlacedVee, b: PlacedVee) =>
          a.hostId === b.hostId && (rules.get(a.tenantId)?.has(b.tenantId) ?? false);
        const anyClash = all.some((a) => all.some((b) => clash(a, b)));
        expect(tenantsTogether(rules, all).length > 0).toBe(anyClash);
        const closed = hostsClosedTo(tenantId, rules, all);
        const site: Snapshot = {
          ...snapshotOf([host('h1', 1_000), host('h2', 1_000), host('h3', 1_000)]),
          ...{ vees: all, apart: rules },
        };
        const answer = plan(site, { vees: [vee('app', 0)], constraints: [] }, packing, context);
        if (answer.kind === 'blueprint')
          expect(closed.has(answer.assignments[0]?.hostId as HostId)).toBe(false);
        else expect(closed.size).toBe(3);
      }),
    );
  });
});
