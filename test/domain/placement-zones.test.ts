import type { HostId, VeeId } from '../../domain/ids';
import type { Constraint, Snapshot, SnapshotHost } from '../../domain/placement/model';
import { planPartially } from '../../domain/placement/partial';
import { plan } from '../../domain/placement/plan';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import {
  context,
  host,
  packing,
  placed,
  serviceId,
  snapshotOf,
  tenantId,
  vee,
  within,
} from '../support/placement';

describe('plan, by rules of zones and of how many', () => {
  it('keeps apart and together by zone', () => {
    const zones = (id: string, zone: string, cpuMillis = 1_000) => host(id, cpuMillis, { zone });
    const snapshot = snapshotOf([zones('h1', 'z1'), zones('h2', 'z1'), zones('h3', 'z2')]);
    const apart: Constraint = { kind: 'apart-within', level: 'zone', serviceId, component: 'a', most: 1 };
    const three = { vees: [vee('a', 0), vee('a', 1), vee('a', 2)], constraints: [apart] };
    const two = placed(snapshot, { ...three, vees: three.vees.slice(1) });
    expect(Object.values(two)).toContain('h3');
    const answer = plan(snapshot, three, packing, context);
    expect(answer.kind === 'infeasible' && refusalSummary(answer)).toMatch(
      /h1: antiAffinity\(within a\) by zone: another of this request, a, is there; h2: .* is there; h3: .* is there/,
    );
  });

  it('lets so many be together, counting what is there and what must come along', () => {
    const there = (component: string, n: number, hostId: string) => ({
      id: `vee-${component}-${n}` as VeeId,
      tenantId,
      serviceId,
      component,
      hostId: hostId as HostId,
    });
    const snapshot: Snapshot = {
      ...snapshotOf([host('h1', 1_000), host('h2', 1_000)]),
      vees: [there('a', 8, 'h1'), there('a', 9, 'h1')],
    };
    const two = { vees: [vee('a', 0), vee('a', 1)], constraints: [within('a', 2)] };
    expect(placed(snapshot, two)).toEqual({ 'a/0': 'h2', 'a/1': 'h2' });
    const three = plan(snapshot, { ...two, vees: [...two.vees, vee('a', 2)] }, packing, context);
    expect(three.kind === 'infeasible' && refusalSummary(three)).toMatch(
      /h1: antiAffinity\(within a, at most 2\): 2 are there; h2: .*: 2 are there/,
    );
    const tied: Constraint = { kind: 'together', level: 'host', serviceId, components: ['a', 'b'] };
    const bound = { vees: [vee('a', 0), vee('a', 1), vee('b', 0)], constraints: [within('a', 2), tied] };
    expect(Object.values(placed(snapshotOf(snapshot.hosts as SnapshotHost[]), bound))).toHaveLength(3);
    const tooMany = { ...bound, constraints: [within('a', 1), tied] };
    expect(plan(snapshotOf(snapshot.hosts as SnapshotHost[]), tooMany, packing, context).kind).toBe(
      'infeasible',
    );
  });

  it('gathers by zone where all have room, whatever the first alone would choose', () => {
    const together: Constraint = { kind: 'together', level: 'zone', serviceId, components: ['a'] };
    // The tightest fit for one is in z0, where there is no room for a second.
    const hosts = [
      host('small', 110, { zone: 'z0' }),
      ...Array.from({ length: 40 }, (_, i) => host(`h${i}`, 120, { zone: i < 39 ? 'z1' : 'z2' })),
    ];
    const vees = Array.from({ length: 30 }, (_, i) => vee('a', i));
    const where = placed(snapshotOf(hosts), { vees, constraints: [together] });
    expect(new Set(Object.values(where)).size).toBe(30);
    expect(Object.values(where)).not.toContain('h39');
  });

  it('binds nothing to a zone that is lost', () => {
    const together: Constraint = { kind: 'together', level: 'zone', serviceId, components: ['a'] };
    const lost = { zone: 'z1', liveness: 'lost' as const };
    const hosts = [
      host('h1', 1_000, lost),
      host('h2', 1_000, lost),
      host('h3', 1_000, { zone: 'z2' }),
      host('h4', 1_000, { zone: 'z3' }),
    ];
    const at = (n: number, hostId: string) => ({ id: `vee-a-${n}` as VeeId, hostId: hostId as HostId });
    const there = (all: { id: VeeId; hostId: HostId }[]): Snapshot => ({
      ...snapshotOf(hosts),
      vees: all.map((v) => ({ ...v, tenantId, serviceId, component: 'a' })),
    });
    const away = (n: number, from: string) => ({
      vees: [{ ...vee('a', n), moving: { from: from as HostId, away: true } }],
      constraints: [together],
    });
    const first = placed(there([at(0, 'h1'), at(1, 'h2')]), away(0, 'h1'))['a/0'] ?? '';
    expect(['h3', 'h4']).toContain(first);
    // What runs waits for what is lost, rather than leave it: it may come back.
    const runs = there([at(0, 'h1'), at(1, 'h3')]);
    expect(plan(runs, away(1, 'h3'), packing, context).kind).toBe('infeasible');
    const scaled = { vees: [vee('a', 7)], constraints: [together] };
    expect(plan(there([at(0, 'h1')]), scaled, packing, context).kind).toBe('infeasible');
    expect(placed(runs, scaled)).toEqual({ 'a/7': 'h3' });
    // Those that follow come to where the first is.
    expect(placed(there([at(0, first), at(1, 'h2')]), away(1, 'h2'))).toEqual({ 'a/1': first });
  });

  it('moves what is tied to a zone out of it all together, or not at all', () => {
    const together: Constraint = { kind: 'together', level: 'zone', serviceId, components: ['a'] };
    const moving = (n: number, from: string) => ({
      ...vee('a', n),
      moving: { from: from as HostId, away: true },
    });
    const at = (n: number, hostId: string) => ({
      id: `vee-a-${n}` as VeeId,
      tenantId,
      serviceId,
      component: 'a',
      hostId: hostId as HostId,
    });
    const hosts = [
      host('h1', 1_000, { zone: 'z1' }),
      host('h2', 150, { zone: 'z2' }),
      host('h3', 250, { zone: 'z3' }),
    ];
    const snapshot: Snapshot = { ...snapshotOf(hosts), vees: [at(0, 'h1'), at(1, 'h1')] };
    const both = { vees: [moving(0, 'h1'), moving(1, 'h1')], constraints: [together] };
    expect(placed(snapshot, both)).toEqual({ 'a/0': 'h3', 'a/1': 'h3' });
    const one = plan(snapshot, { ...both, vees: [moving(0, 'h1')] }, packing, context);
    expect(one.kind === 'infeasible' && refusalSummary(one)).toContain('a (vee-a-1) is on h1');
    const small: Snapshot = { ...snapshot, hosts: hosts.slice(0, 2) };
    expect(planPartially(small, both, packing, context)).toMatchObject({ left: [{}, {}] });
  });

  it('joins what is apart already where most of it is', () => {
    const together: Constraint = { kind: 'together', level: 'zone', serviceId, components: ['a'] };
    const hosts = ['h1', 'h2', 'h3'].map((id, i) => host(id, 1_000, { zone: `z${i}` }));
    const at = (n: number, hostId: string) => ({
      id: `vee-a-${n}` as VeeId,
      tenantId,
      serviceId,
      component: 'a',
      hostId: hostId as HostId,
    });
    const split: Snapshot = { ...snapshotOf(hosts), vees: [at(0, 'h1'), at(1, 'h2'), at(2, 'h2')] };
    expect(placed(split, { vees: [vee('a', 3)], constraints: [together] })).toEqual({ 'a/3': 'h2' });
    const stray = { ...vee('a', 0), moving: { from: 'h1' as HostId, away: true } };
    expect(placed(split, { vees: [stray], constraints: [together] })).toEqual({ 'a/0': 'h2' });
  });

  it('counts one that moves within its zone once', () => {
    const hosts = [host('h1', 1_000, { zone: 'z1' }), host('h2', 1_000, { zone: 'z1' })];
    const at = (n: number) => ({ id: `vee-a-${n}` as VeeId, tenantId, serviceId, component: 'a' });
    const snapshot: Snapshot = {
      ...snapshotOf(hosts),
      vees: [0, 1].map((n) => ({ ...at(n), hostId: 'h1' as HostId })),
    };
    const away = { from: 'h1' as HostId, away: true };
    const request = {
      vees: [0, 1].map((n) => ({ ...vee('a', n), moving: away })),
      constraints: [within('a', 2, 'zone')],
    };
    expect(placed(snapshot, request)).toEqual({ 'a/0': 'h2', 'a/1': 'h2' });
  });
});
