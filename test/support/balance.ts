import fc from 'fast-check';
import type { HostId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import { breaches } from '../../domain/placement/constraints';
import type { Constraint, SnapshotHost } from '../../domain/placement/model';
import { Layout } from '../../domain/rebalance/layout';
import type { BalancedVee, BalancePlan, BalanceQuestion } from '../../domain/rebalance/model';
import { add, type Capacity, fits, subtract, sum, ZERO } from '../../domain/units';

export const budget = { linkKbps: 1_000_000, streamKbps: 250_000 };
export const CAPACITY: Capacity = { cpuMillis: 8_000, memoryMiB: 8_192, diskMiB: 100_000, bandwidthKbps: 0 };

export const vee = (n: number, hostId: string, more: Partial<BalancedVee> = {}): BalancedVee => ({
  id: `vee-${n}` as VeeId,
  tenantId: 't' as TenantId,
  serviceId: 's' as ServiceId,
  serviceName: 'shop',
  component: 'app',
  index: n,
  need: { cpuMillis: 1_000, memoryMiB: 1_024, diskMiB: 0, bandwidthKbps: 0 },
  image: 'busybox',
  stopGraceMillis: 0,
  hostId: hostId as HostId,
  ...more,
});

/** Hosts, with what the VEEs on them need reserved. */
export function site(
  ids: readonly string[],
  vees: readonly BalancedVee[],
  more: Partial<BalanceQuestion> = {},
  host: (id: string) => Partial<SnapshotHost> = () => ({}),
): BalanceQuestion {
  const hosts = ids.map((id) => ({
    id: id as HostId,
    zone: 'z',
    labels: {},
    liveness: 'up' as const,
    cordoned: false,
    driver: 'simulator',
    capabilities: { migration: 'live' } as SnapshotHost['capabilities'],
    images: ['busybox'],
    capacity: CAPACITY,
    reserved: sum(vees.filter((v) => v.hostId === id).map((v) => v.need)),
    ...host(id),
  }));
  return {
    at: 0,
    hosts,
    vees,
    constraints: [],
    policy: { name: 'striping' },
    budget,
    mostMoves: 20,
    ...more,
  };
}

/** The site after a plan, as the next run finds it. */
export function carriedOut(
  question: BalanceQuestion,
  { moves }: Pick<BalancePlan, 'moves'>,
): BalanceQuestion {
  const to = new Map(moves.flatMap((m) => m.veeIds.map((id) => [id, m.toHostId])));
  const vees = question.vees.map((v) => ({ ...v, hostId: to.get(v.id) ?? v.hostId }));
  const hosts = question.hosts.map((h) => {
    const others = h.reserved;
    const was = sum(question.vees.filter((v) => v.hostId === h.id).map((v) => v.need));
    const is = sum(vees.filter((v) => v.hostId === h.id).map((v) => v.need));
    return { ...h, reserved: add(others, subtract(is, was)) };
  });
  return { ...question, vees, hosts };
}

/**
 * Carries a plan out wave by wave, as hosts do: in a wave all new places are taken before any old one is given back.
 * Knows nothing of how the plan was made.
 */
export function faults(question: BalanceQuestion, plan: BalancePlan): string[] {
  const found: string[] = [];
  const hosts = new Map(question.hosts.map((h) => [h.id, h]));
  const at = new Map(question.vees.map((v) => [v.id, v.hostId]));
  const used = new Map(question.hosts.map((h) => [h.id, h.reserved]));
  const needOf = (id: VeeId) => question.vees.find((v) => v.id === id)?.need ?? ZERO;
  const change = (hostId: HostId, id: VeeId, sign: 1 | -1) => {
    const by = sign === 1 ? add : subtract;
    used.set(hostId, by(used.get(hostId) ?? ZERO, needOf(id)));
  };
  const check = (when: string, where: ReadonlyMap<VeeId, HostId>) => {
    for (const [id, host] of hosts)
      if (!fits(host.capacity, used.get(id) ?? ZERO)) found.push(`${when}: ${id} is overfull`);
    const placed = question.vees.map((v) => ({ ...v, hostId: where.get(v.id) ?? v.hostId }));
    for (const c of question.constraints)
      if (c.kind !== 'together') found.push(...breaches(c, placed, hosts).map((b) => `${when}: ${b}`));
  };
  for (const [n, wave] of plan.waves.entries()) {
    const moves = wave.flatMap((i) => plan.moves[i] ?? []);
    const arrived = new Map(at);
    for (const m of moves)
      for (const id of m.veeIds) {
        if (at.get(id) !== m.fromHostId) found.push(`wave ${n}: ${id} is not on ${m.fromHostId}`);
        arrived.set(id, m.toHostId);
        change(m.toHostId, id, 1);
      }
    check(`wave ${n}`, at);
    // Who arrives meets, at worst, all who have not left yet.
    for (const m of moves)
      for (const id of m.veeIds) {
        const alone = new Map(at).set(id, m.toHostId);
        for (const c of question.constraints.filter((x) => x.kind !== 'together')) {
          const placed = question.vees.map((v) => ({ ...v, hostId: alone.get(v.id) ?? v.hostId }));
          found.push(...breaches(c, placed, hosts).map((b) => `wave ${n}, ${id} first: ${b}`));
        }
      }
    for (const m of moves) for (const id of m.veeIds) change(m.fromHostId, id, -1);
    for (const [id, to] of arrived) at.set(id, to);
    check(`after wave ${n}`, at);
  }
  const done = plan.waves.flat();
  if (new Set(done).size !== plan.moves.length || done.length !== plan.moves.length)
    found.push('not every move is in one wave');
  for (const c of question.constraints.filter((x) => x.kind === 'together')) {
    const placed = question.vees.map((v) => ({ ...v, hostId: at.get(v.id) ?? v.hostId }));
    found.push(...breaches(c, placed, hosts).map((b) => `in the end: ${b}`));
  }
  return found;
}

export const unevenness = (question: BalanceQuestion) => new Layout(question).unevenness();

const load = fc.record({
  host: fc.integer({ min: 0, max: 4 }),
  service: fc.integer({ min: 0, max: 2 }),
  component: fc.constantFrom('app', 'db', 'web', 'cache'),
  cpuMillis: fc.integer({ min: 100, max: 2_000 }),
  memoryMiB: fc.integer({ min: 64, max: 2_048 }),
  fixed: fc.boolean(),
});
/** Sites of five hosts in three zones that are sound to begin with. */
export const sites = fc
  .record({
    loads: fc.array(load, { minLength: 1, maxLength: 30 }),
    rules: fc.subarray([
      ...(['apart-within', 'apart-between', 'together', 'deny'] as const),
      ...(['apart-within by zone', 'apart-between by zone', 'together by zone'] as const),
      ...(['two of web', 'two of cache by zone'] as const),
    ]),
    mostMoves: fc.integer({ min: 1, max: 30 }),
  })
  .map(({ loads, rules, mostMoves }) => {
    const ids = ['a', 'b', 'c', 'd', 'e'];
    const constraints = [0, 1, 2].flatMap((n): Constraint[] => {
      const serviceId = `s${n}` as ServiceId;
      const all: Record<(typeof rules)[number], Constraint> = {
        'apart-within': { kind: 'apart-within', level: 'host', serviceId, component: 'db', most: 1 },
        'apart-between': { kind: 'apart-between', level: 'host', serviceId, components: ['db', 'web'] },
        together: { kind: 'together', level: 'host', serviceId, components: ['web', 'cache'] },
        deny: { kind: 'assignment', serviceId, component: 'app', labels: {}, denyHosts: ['e'] },
        'apart-within by zone': {
          kind: 'apart-within',
          level: 'zone',
          serviceId,
          component: 'app',
          most: 1,
        },
        'apart-between by zone': {
          kind: 'apart-between',
          level: 'zone',
          serviceId,
          components: ['db', 'cache'],
        },
        'two of web': { kind: 'apart-within', level: 'host', serviceId, component: 'web', most: 2 },
        'two of cache by zone': {
          kind: 'apart-within',
          level: 'zone',
          serviceId,
          component: 'cache',
          most: 2,
        },
        'together by zone': { kind: 'together', level: 'zone', serviceId, components: ['app', 'web'] },
      };
      return rules.map((r) => all[r]);
    });
    const vees: BalancedVee[] = [];
    const used = new Map<string, Capacity>();
    const zones: Record<string, string> = { a: 'z1', b: 'z1', c: 'z2', d: 'z2', e: 'z3' };
    const inZone = (id: string) => ({ zone: zones[id] ?? '' });
    const hosts = site(ids, [], {}, inZone).hosts;
    const byId = new Map(hosts.map((h) => [h.id, h]));
    // Only what may be there by the rules, and has room: a site that is sound to begin with.
    for (const [n, l] of loads.entries()) {
      const need = { ...ZERO, cpuMillis: l.cpuMillis, memoryMiB: l.memoryMiB };
      const hostId = ids[l.host] ?? 'a';
      const one = vee(n, hostId, {
        serviceId: `s${l.service}` as ServiceId,
        component: l.component,
        need,
        ...(l.fixed ? { fixed: 'so' } : {}),
      });
      const after = add(used.get(hostId) ?? ZERO, need);
      const broken = constraints.some((c) => breaches(c, [...vees, one], byId).length > 0);
      if (broken || !fits(CAPACITY, after)) continue;
      used.set(hostId, after);
      vees.push(one);
    }
    return site(ids, vees, { constraints, mostMoves }, inZone);
  });
