import fc from 'fast-check';
import type { HostId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import { breaches } from '../../domain/placement/constraints';
import type {
  Constraint,
  PlacementRequest,
  SnapshotHost,
  Spare,
  SpareVee,
} from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import { remediesFor } from '../../domain/placement/remedies';
import { withPlaced } from '../../domain/placement/room';
import { add, fits, subtract, ZERO } from '../../domain/units';
import { context, host, packing, serviceId, snapshotOf, tenantId, vee, within } from '../support/placement';

const spare = (
  lose: 'host' | 'zone' = 'host',
  vees: SpareVee[] = [],
  least: Spare['least'] = 'bronze',
): Spare => ({
  ...{ lose, least, vees },
});
const members = (n: number, cpuMillis = 400, component = 'app') =>
  Array.from({ length: n }, (_, i) => vee(component, i, cpuMillis));
const asking = (vees: PlacementRequest['vees'], rest: Partial<PlacementRequest> = {}): PlacementRequest => ({
  ...{ vees, constraints: [], slaClass: 'bronze' },
  ...rest,
});
const three = [1_000, 1_000, 1_000].map((cpu, n) => host(`h${n}`, cpu));

describe('the room that is kept for losses', () => {
  it('is left: no more is placed than would find a place if a host were lost', () => {
    // Two fit on a host: of three hosts two are left then, with room for four.
    const kept = { ...snapshotOf(three), spare: spare() };
    expect(plan(kept, asking(members(4)), packing, context).kind).toBe('blueprint');
    const five = plan(kept, asking(members(5)), packing, context);
    if (five.kind === 'blueprint') throw new Error('a fifth was placed');
    expect(refusalSummary(five)).toMatch(
      /h\d: room is kept for losses .* the loss of h\d would leave no place for app itself/,
    );
    expect(plan(snapshotOf(three), asking(members(5)), packing, context).kind).toBe('blueprint');
  });

  it('is there for all of a zone, where that may be lost', () => {
    const zoned = [0, 1, 2, 3].map((n) => host(`h${n}`, 1_000, { zone: n < 2 ? 'a' : 'b' }));
    const kept = (lose: 'host' | 'zone') => ({ ...snapshotOf(zoned), spare: spare(lose) });
    expect(plan(kept('host'), asking(members(6)), packing, context).kind).toBe('blueprint');
    expect(plan(kept('zone'), asking(members(6)), packing, context).kind).toBe('infeasible');
    expect(plan(kept('zone'), asking(members(4)), packing, context).kind).toBe('blueprint');
  });

  it('is only for what has at least the class', () => {
    const kept = { ...snapshotOf(three), spare: spare('host', [], 'gold') };
    expect(plan(kept, asking(members(6)), packing, context).kind).toBe('blueprint');
    expect(plan(kept, asking(members(5), { slaClass: 'gold' }), packing, context).kind).toBe('infeasible');
  });

  it('knows the rules: where two may not share a host a loss takes a host more', () => {
    const kept = { ...snapshotOf(three), spare: spare() };
    const apart = { constraints: [within('app')] };
    expect(plan(kept, asking(members(2, 10), apart), packing, context).kind).toBe('blueprint');
    expect(plan(kept, asking(members(3, 10), apart), packing, context).kind).toBe('infeasible');
  });

  it('takes what must be on one host there together', () => {
    const together: Constraint = { kind: 'together', level: 'host', serviceId, components: ['app', 'db'] };
    const pair = [vee('app', 0, 500), vee('db', 0, 400)];
    const kept = { ...snapshotOf(three.slice(0, 2)), spare: spare() };
    expect(plan(kept, asking(pair, { constraints: [together] }), packing, context).kind).toBe('blueprint');
  });

  it('takes what must be together as one, whoever of it asks for what, and be it spread as well', () => {
    const together: Constraint = { kind: 'together', level: 'host', serviceId, components: ['app', 'db'] };
    const onSsd: Constraint = {
      ...{ kind: 'assignment', serviceId, component: 'db', labels: { disk: 'ssd' }, denyHosts: [] },
    };
    const spread: Constraint = { kind: 'spread', level: 'zone', serviceId, component: 'app', maxSkew: 1 };
    const hosts = [0, 1, 2, 3].map((n) =>
      host(`h${n}`, 1_000, { zone: `z${n % 2}`, labels: n < 2 ? { disk: 'ssd' } : {} }),
    );
    const kept = { ...snapshotOf(hosts), spare: spare() };
    for (const pair of [
      [vee('app', 0), vee('db', 0)],
      [vee('db', 0), vee('app', 0)],
    ])
      expect(plan(kept, asking(pair, { constraints: [together, onSsd] }), packing, context).kind).toBe(
        'blueprint',
      );
    const apps = [vee('app', 0), vee('app', 1)];
    expect(plan(kept, asking(apps, { constraints: [together, spread] }), packing, context).kind).toBe(
      'blueprint',
    );
  });

  it('lets come what strands nothing more than is stranded already', () => {
    // No other host takes what is on the first: that is so with and without what comes.
    const hosts = [host('h0', 1_000), host('h1', 300)].map((h) =>
      h.id === 'h0' ? { ...h, reserved: { ...ZERO, cpuMillis: 600 } } : h,
    );
    const large: SpareVee = {
      ...{ id: 'vee-large' as VeeId, tenantId, serviceId: 'other' as ServiceId, component: 'large' },
      ...{ hostId: 'h0' as HostId, image: 'busybox', need: { ...ZERO, cpuMillis: 600 } },
      ...{ slaClass: 'bronze', constraints: [] },
    };
    const kept = { at: 1, hosts, vees: [large], spare: spare('host', [large]) };
    expect(plan(kept, asking(members(1, 100)), packing, context).kind).toBe('blueprint');
    expect(plan(kept, asking(members(1, 350)), packing, context).kind).toBe('infeasible');
  });

  it('is not asked for by what is moved, as a recovery needs that very room', () => {
    const { slaClass: _, ...moving } = asking(members(5));
    expect(plan({ ...snapshotOf(three), spare: spare() }, moving, packing, context).kind).toBe('blueprint');
  });

  it('is told where giving it up would be enough', () => {
    const question = { snapshot: { ...snapshotOf(three), spare: spare() }, request: asking(members(5)) };
    const told = remediesFor({ ...question, policy: packing, context }).map((r) => r.if);
    expect(told).toContain('without the room that is kept for the loss of any host');
    expect(told).toContain('with only 4 of the 5 new VEEs of app');
  });
});

const drawn = fc.record({
  hosts: fc.array(
    fc.record({
      ...{ cpu: fc.integer({ min: 2, max: 8 }), zone: fc.constantFrom('a', 'b') },
      cordoned: fc.constantFrom(false, false, false, true),
    }),
    {
      minLength: 2,
      maxLength: 4,
    },
  ),
  lose: fc.constantFrom('host' as const, 'zone' as const),
  services: fc.array(
    fc.record({
      cpus: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
      rule: fc.constantFrom(
        'none',
        'apart',
        'apart by zone',
        'together by zone',
        'together',
        'between',
        'spread',
      ),
      gold: fc.boolean(),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  least: fc.constantFrom('gold' as const, 'bronze' as const),
});

describe('the room that is kept for losses, whatever is asked for', () => {
  it('is enough: after each loss all that counts has a place, by trying all', () => {
    let [placed, refused] = [0, 0];
    fc.assert(
      fc.property(drawn, ({ hosts, lose, services, least }) => {
        let site = {
          ...snapshotOf(hosts.map(({ cpu, zone, cordoned }, n) => host(`h${n}`, cpu, { zone, cordoned }))),
          spare: spare(lose, [], least),
        };
        for (const [n, { cpus, rule, gold }] of services.entries()) {
          const own = `svc-${n}` as ServiceId;
          const request: PlacementRequest = {
            slaClass: gold ? 'gold' : 'bronze',
            constraints: ruleOf(rule, own),
            vees: cpus.map((cpuMillis, index) => ({
              ...{
                id: `v${n}-${index}` as VeeId,
                tenantId,
                serviceId: own,
                component: rule === 'between' && index > 0 ? 'db' : 'app',
                index,
              },
              ...{ need: { ...ZERO, cpuMillis }, image: 'busybox' },
            })),
          };
          const answer = plan(site, request, packing, context);
          if (answer.kind === 'infeasible') {
            refused++;
            continue;
          }
          placed++;
          const then = withPlaced(site, request, answer, { id: own, tenantId: tenantId as TenantId });
          if (!then.spare) throw new Error('the room was forgotten');
          site = { ...then, spare: then.spare };
          for (const gone of domains(site.hosts, lose)) expect(survives(site, gone)).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
    expect(placed).toBeGreaterThan(50);
    expect(refused).toBeGreaterThan(50);
  });

  it('refuses nothing that could be, where all are of one size and nothing is forbidden', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 2, maxLength: 5 }),
        fc.integer({ min: 1, max: 20 }),
        (sizes, wanted) => {
          const site = { ...snapshotOf(sizes.map((cpu, n) => host(`h${n}`, cpu))), spare: spare() };
          // All there is but for the largest host has to do for all of them.
          const room = sizes.reduce((a, b) => a + b, 0) - Math.max(...sizes);
          const answer = plan(site, asking(members(wanted, 1)), packing, context);
          expect(answer.kind).toBe(wanted <= room ? 'blueprint' : 'infeasible');
        },
      ),
    );
  });
});

function ruleOf(rule: string, own: ServiceId): Constraint[] {
  const level = rule.endsWith('zone') ? ('zone' as const) : ('host' as const);
  if (rule.startsWith('apart'))
    return [{ kind: 'apart-within', level, serviceId: own, component: 'app', most: 1 }];
  if (rule === 'between')
    return [{ kind: 'apart-between', level: 'host', serviceId: own, components: ['app', 'db'] }];
  if (rule === 'spread')
    return [{ kind: 'spread', level: 'zone', serviceId: own, component: 'app', maxSkew: 1 }];
  return rule === 'none' ? [] : [{ kind: 'together', level, serviceId: own, components: ['app'] }];
}

function domains(hosts: readonly SnapshotHost[], lose: 'host' | 'zone'): HostId[][] {
  if (lose === 'host') return hosts.map((h) => [h.id]);
  return [...new Set(hosts.map((h) => h.zone))].map((z) =>
    hosts.filter((h) => h.zone === z).map((h) => h.id),
  );
}

/** Is there any way to put what counts of a loss on the hosts that are left, rules and capacities kept? */
function survives(
  { hosts, spare: kept }: { hosts: readonly SnapshotHost[]; spare: Spare },
  gone: HostId[],
): boolean {
  const counts = (v: SpareVee) => kept.least === 'bronze' || v.slaClass === 'gold';
  const lost = kept.vees.filter((v) => gone.includes(v.hostId) && counts(v));
  const standing = kept.vees.filter((v) => !gone.includes(v.hostId));
  const byId = new Map(hosts.map((h) => [h.id, h]));
  const rules = new Set(kept.vees.flatMap((v) => v.constraints));
  const tryAll = (left: readonly SpareVee[], placed: readonly SpareVee[]): boolean => {
    const [next, ...others] = left;
    if (!next) return [...rules].every((c) => breaches(c, placed, byId).length === 0);
    return hosts
      .filter((h) => !gone.includes(h.id) && !h.cordoned)
      .some((h) => {
        const used = placed.filter((v) => v.hostId === h.id).reduce((sum, v) => add(sum, v.need), ZERO);
        return (
          fits(subtract(h.capacity, used), next.need) &&
          tryAll(others, [...placed, { ...next, hostId: h.id }])
        );
      });
  };
  return tryAll(lost, standing);
}
