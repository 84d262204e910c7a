import type { HostRecord } from '../../domain/host';
import type { HostId, LeaseId, SiteId, TenantId } from '../../domain/ids';
import { checkInvariants } from '../../domain/invariants/check';
import { type Lease, promiseOn } from '../../domain/leases/model';
import { placeLease } from '../../domain/leases/place';
import { keptFrom, MOST_PROMISES } from '../../domain/placement/promised';
import { refusalSummary } from '../../domain/placement/refusal-summary';
import { roomForShape } from '../../domain/placement/room';
import { planRebalance } from '../../domain/rebalance/plan';
import type { Capacity } from '../../domain/units';
import { toSnapshotHost } from '../../store/hosts';
import { CAPACITY, site, vee } from '../support/balance';
import { host, snapshotOf } from '../support/placement';
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
    const over = { ...some, from: LONG_AGO, until: LONG_AGO + 1 };
    expect(seen(over, over)).toEqual(['h1: what was promised to reservation web was never taken back']);
  });
});
