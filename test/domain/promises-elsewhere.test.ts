import type { HostRecord } from '../../domain/host';
import type { HostId, LeaseId, SiteId, TenantId } from '../../domain/ids';
import { checkInvariants } from '../../domain/invariants/check';
import { type Lease, promiseOn } from '../../domain/leases/model';
import { placeLease } from '../../domain/leases/place';
import type { SnapshotHost } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import { keptFrom, MOST_PROMISES } from '../../domain/placement/promised';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import { roomForShape } from '../../domain/placement/room';
import { strandedBy } from '../../domain/placement/spare-losses';
import { planRebalance } from '../../domain/rebalance/plan';
import type { Capacity } from '../../domain/units';
import { toSnapshotHost } from '../../store/hosts';
import { CAPACITY, site, vee } from '../support/balance';
import { context, host, packing, vee as requested, snapshotOf } from '../support/placement';
import { LONG_AGO, sound } from '../support/sound-site';

const size = (cpuMillis: number): Capacity => ({ cpuMillis, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 });
const leaseOf = (hostId: string, each: Capacity, from: number, until: number): Lease => ({
  ...{ id: 'rsv-1' as LeaseId, siteId: 'home' as SiteId, tenantId: 'acme' as TenantId, name: 'web' },
  ...{ kind: 'advance', count: 1, each, labels: {}, apart: false, from, until },
  ...{ places: [{ hostId: hostId as HostId, count: 1 }], confirmed: true, live: true },
  ...{ requestedBy: 'me', requestedAs: 'op-1' as Lease['requestedAs'], generation: 1, createdAt: 0 },
});

describe('what is promised', () => {
  it('is left by rebalances', () => {
    const vees = [0, 1, 2, 3].map((n) => vee(n, 'a'));
    const lease = leaseOf('b', size(7_000), 10, 20);
    const promised = { promises: [promiseOn(lease, 1)], stays: [] };
    const free = planRebalance(site(['a', 'b'], vees));
    const kept = planRebalance(site(['a', 'b'], vees, {}, (id) => (id === 'b' ? { promised } : {})));
    expect(free.moves.length).toBe(2);
    expect(kept.moves.length).toBe(1);
    const none = { ...promised, promises: [{ ...promiseOn(lease, 1), amount: CAPACITY }] };
    expect(
      planRebalance(site(['a', 'b'], vees, {}, (id) => (id === 'b' ? { promised: none } : {}))).moves,
    ).toEqual([]);
  });

  it('is no room for more, and capacity says so', () => {
    const lease = leaseOf('host-1', size(700), 10, 20);
    const promising = host('host-1', 1_000, { promised: { promises: [promiseOn(lease, 1)], stays: [] } });
    const room = roomForShape(snapshotOf([promising]), { need: size(100), labels: {} });
    expect(room.hosts).toEqual([{ hostId: 'host-1', fits: 3, because: 'CPU, beside what is promised' }]);
    expect(keptFrom(promising, 1)).toEqual(size(700));
  });

  it('is promised to so many leases of a host, and the next one is told so', () => {
    const many = (count: number) => {
      const promises = Array.from({ length: count }, (_, n) => ({
        ...promiseOn(leaseOf('host-1', size(1), 10 * n, 10 * n + 1), 1),
        leaseId: `rsv-${n}` as LeaseId,
      }));
      const promising = host('host-1', 1_000, { promised: { promises, stays: [] } });
      return placeLease(snapshotOf([promising]), leaseOf('host-1', size(100), 0, 0), { from: 5, until: 7 });
    };
    expect(many(MOST_PROMISES - 1)).toMatchObject({ kind: 'lease' });
    const none = many(MOST_PROMISES);
    expect(none.kind === 'no-lease' && refusalSummary(none.why)).toContain(
      'a host promises to 50 reservations at most: it does so already',
    );
  });

  it('leaves no room for losses beside what is overdue: it may stay for who knows how long', () => {
    const lease = leaseOf('h1', size(500), 2_000, 3_000);
    const stays = [{ veeId: 'late', amount: size(500), freeAt: 900 }];
    const promised = { promises: [promiseOn(lease, 1)], stays };
    const hosts = [host('h0', 1_000), host('h1', 1_000, { reserved: size(500), promised })];
    const mine = { ...requested('app', 0, 400), hostId: 'h0' as HostId, constraints: [] };
    const kept = { lose: 'host', least: 'bronze', vees: [{ ...mine, slaClass: 'bronze' }] } as const;
    expect(strandedBy({ at: 800, hosts }, kept).size).toBe(0);
    expect(strandedBy({ at: 1_000, hosts }, kept).size).toBe(1);
  });

  it('is room for what uses it, also where room is kept for losses', () => {
    const lease = leaseOf('h1', size(600), 0, 3_000_000);
    const promising = (n: number, more: Partial<SnapshotHost> = {}) => {
      const promised = { promises: [promiseOn(lease, 1)], stays: [] };
      return host(`h${n}`, 1_000, { promised, ...more });
    };
    const ask = (hosts: SnapshotHost[], many: number, leaseId?: LeaseId) => {
      const vees = Array.from({ length: many }, (_, n) => requested('app', n, 600));
      const site = { ...snapshotOf(hosts), spare: { lose: 'host', least: 'bronze', vees: [] } as const };
      const stay = { freeAt: 2_000_000, ...(leaseId ? { leaseId } : {}) };
      return plan(site, { vees, constraints: [], slaClass: 'gold', stay }, packing, context).kind;
    };
    const three = [1, 2, 3].map((n) => promising(n));
    expect(ask(three, 2, lease.id)).toBe('blueprint');
    // With each place in use there is none left for a loss, and nobody else has a place in what is promised.
    expect(ask(three, 3, lease.id)).toBe('infeasible');
    expect(ask(three, 1)).toBe('infeasible');
    expect(ask([promising(1), host('h2', 1_000, { reserved: size(500) })], 1, lease.id)).toBe('infeasible');
    // What uses it already has a place in the rest of it.
    const there = { ...requested('app', 0, 600), hostId: 'h1' as HostId, constraints: [] };
    const vees = [{ ...there, slaClass: 'bronze' as const }];
    const stays = new Map([[there.serviceId, { leaseId: lease.id }]]);
    const hosts = [host('h1', 1_000, { reserved: there.need }), promising(2, { reserved: size(300) })];
    const stranded = (own: object) =>
      strandedBy({ at: 1, hosts, ...own }, { lose: 'host', least: 'bronze', vees });
    expect(stranded({ stays }).size).toBe(0);
    expect(stranded({}).size).toBe(1);
  });

  it('is counted by the invariants, with what is held, at every time to come', () => {
    const state = sound();
    const [first, second] = state.hosts as [HostRecord, HostRecord];
    const more = first.fingerprint.capacity;
    const whole = leaseOf('h1', more, state.now + 1, state.now + 1_000);
    const seen = (lease: Lease, noted: Lease | undefined) => {
      const hosts = [noted ? { ...first, promises: { [noted.id]: promiseOn(noted, 1) } } : first, second];
      const checked = { ...state, hosts, snapshotHosts: hosts.map(toSnapshotHost), leases: [lease] };
      return checkInvariants(checked).find((i) => i.number === 2)?.violations;
    };
    const some = { ...whole, each: { ...more, cpuMillis: 1, memoryMiB: 1, diskMiB: 0, bandwidthKbps: 0 } };
    expect(seen(some, some)).toEqual([]);
    const making = { ...some, confirmed: false, createdAt: state.now - 10_000 };
    expect(seen(making, some)).toEqual([]);
    expect(seen({ ...making, createdAt: state.now - 200_000 }, some)).toEqual([
      'h1: what was to be promised to reservation web was never taken back',
    ]);
    expect(seen(some, undefined)).toEqual(['h1 knows nothing of reservation web, which counts on it']);
    expect(seen(some, whole)).toContain('h1 has promised reservation web another amount than it says');
    expect(seen(whole, whole)).toEqual([
      expect.stringMatching(/^h1: more .* is held and promised than it has, from /),
    ]);
    const risk = { since: 1, because: 'h1 has shrunk' };
    expect(seen({ ...whole, risk }, whole)).toEqual([]);
    const elsewhere = { ...risk, hosts: ['h2' as HostId] };
    expect(seen({ ...whole, risk: elsewhere }, whole)).toHaveLength(1);
    expect(seen({ ...whole, risk: { ...risk, hosts: ['h1' as HostId] } }, whole)).toEqual([]);
    const unrecorded = { ...some, id: 'rsv-2' as LeaseId, places: [] };
    const noted = { ...promiseOn(some, 1), leaseId: 'rsv-3' as LeaseId };
    const strange = (since?: number) => {
      const hosts = [{ ...first, promises: { 'rsv-3': { ...noted, ...(since ? { since } : {}) } } }, second];
      const all = { ...state, hosts, snapshotHosts: hosts.map(toSnapshotHost), leases: [unrecorded] };
      return checkInvariants(all).find((i) => i.number === 2)?.violations;
    };
    expect(strange(state.now - 10_000)).toEqual([]);
    const told = 'h1 has promised something to web (rsv-3), of which there is no record';
    expect([strange(), strange(state.now - 200_000)]).toEqual([[told], [told]]);
    const over = { ...some, from: LONG_AGO, until: LONG_AGO + 1 };
    expect(seen(over, over)).toEqual(['h1: what was promised to reservation web was never taken back']);
  });
});
