import fc from 'fast-check';
import type { HostId } from '../../domain/ids';
import { breaches } from '../../domain/placement/constraints';
import type { Constraint, PlacementRequest, Snapshot } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import { context, host, packing, placed, serviceId, snapshotOf, vee } from '../support/placement';

/** Hosts of two sites, with two zones each. */
const hostsOf = (sizes: readonly number[]) =>
  sizes.map((cpu, i) => host(`h${i}`, cpu, { site: i % 2 === 0 ? 'north' : 'south', zone: `z${i % 4}` }));
const together: Constraint = { kind: 'together', serviceId, level: 'site', components: ['app', 'db'] };
const apart: Constraint = { kind: 'apart-within', serviceId, level: 'site', component: 'app', most: 1 };
const between: Constraint = { kind: 'apart-between', serviceId, level: 'site', components: ['app', 'db'] };

describe('hosts of two sites', () => {
  it('are held to the same rules by site as by zone', () => {
    const snapshot = snapshotOf(hostsOf([1_000, 1_000, 1_000, 1_000]));
    const siteOf = (id: string) => (Number(id[1]) % 2 === 0 ? 'north' : 'south');
    const two = placed(snapshot, { vees: [vee('app', 0), vee('app', 1)], constraints: [apart] });
    expect(new Set(Object.values(two).map(siteOf)).size).toBe(2);
    const both = placed(snapshot, { vees: [vee('app', 0), vee('db', 0)], constraints: [between] });
    expect(new Set(Object.values(both).map(siteOf)).size).toBe(2);
    const runs = { ...vee('db', 9), hostId: 'h3' as HostId };
    const near = placed({ ...snapshot, vees: [runs] }, { vees: [vee('app', 0)], constraints: [together] });
    expect(siteOf(near['app/0'] ?? '')).toBe('south');
    const three = plan(
      snapshot,
      { vees: [0, 1, 2].map((n) => vee('app', n)), constraints: [apart] },
      packing,
      context,
    );
    expect(three.kind === 'infeasible' && refusalSummary(three)).toContain(
      'antiAffinity(within app) by site',
    );
  });

  it('are tried one after the other for what has to be together on one', () => {
    // The tightest fit for the first is in the north, where the second has no room.
    const snapshot = snapshotOf(hostsOf([500, 600, 100, 600]));
    const vees = [vee('app', 0, 500), vee('db', 0, 500)];
    expect(Object.values(placed(snapshot, { vees, constraints: [together] })).sort()).toEqual(['h1', 'h3']);
  });

  it('never break a rule by site, whoever has found the place', () => {
    const sizes = fc.array(fc.constantFrom(300, 500, 700), { minLength: 2, maxLength: 6 });
    const asked = fc.array(fc.tuple(fc.constantFrom('app', 'db'), fc.constantFrom(100, 200, 300)), {
      minLength: 1,
      maxLength: 6,
    });
    let found = 0;
    fc.assert(
      fc.property(
        sizes,
        asked,
        fc.subarray([together, apart, between], { minLength: 1 }),
        (of, wanted, constraints) => {
          const hosts = hostsOf(of);
          const vees = wanted.map(([component, cpu], i) => vee(component, i, cpu));
          const answer = plan(snapshotOf(hosts), { vees, constraints }, packing, context);
          if (answer.kind === 'infeasible') return;
          found++;
          const where = new Map(answer.assignments.map((a) => [a.veeId, a.hostId]));
          const all = vees.map((v) => ({ ...v, hostId: where.get(v.id) ?? ('' as HostId) }));
          const byId = new Map(hosts.map((h) => [h.id, h]));
          for (const c of constraints) expect(breaches(c, all, byId)).toEqual([]);
        },
      ),
      { numRuns: 50, seed: 2 },
    );
    expect(found).toBeGreaterThan(10);
  });

  it('are near or far for the policy that goes by latency', () => {
    const hosts = hostsOf([1_000, 1_000, 1_000, 1_000]);
    const runs = { ...vee('db', 9), hostId: 'h0' as HostId };
    // Its own host has no room: another zone of its site is nearer than another site.
    const [first, ...others] = hosts;
    if (!first) throw new Error('no host');
    const full = { ...first, reserved: { ...first.reserved, cpuMillis: 1_000 } };
    const site: Snapshot = { ...snapshotOf([full, ...others]), vees: [runs] };
    const request: PlacementRequest = { vees: [vee('app', 0)], constraints: [] };
    expect(placed(site, request, { name: 'latency' })).toEqual({ 'app/0': 'h2' });
    const answer = plan(site, request, { name: 'latency', parameters: { otherSite: 0.5 } }, context);
    expect(answer.kind === 'blueprint' && answer.assignments[0]?.hostId).not.toBe('h2');
  });
});
