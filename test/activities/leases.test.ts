import { promiseOn } from '../../domain/leases/model';
import { hostRecord, LeaseWorld, leaseRecord, size } from '../support/lease-world';

const WEB = 'rsv-1';

describe('what is promised to a lease', () => {
  const lease = leaseRecord({
    count: 4,
    places: [
      { hostId: 'h1', count: 3 },
      { hostId: 'h2', count: 1 },
    ],
  });
  /** One of its places is in use on a host that is closed; there is room for one more on each of the others. */
  const world = () =>
    new LeaseWorld({
      leases: [lease],
      hosts: [
        hostRecord('h1', 4, {
          cordoned: true,
          reserved: size(1),
          reservations: { v: { amount: size(1), since: 0, leaseId: WEB, freeAt: 9_000_000 } },
          promises: { [WEB]: promiseOn(lease, 3) },
        }),
        hostRecord('h2', 2, { promises: { [WEB]: promiseOn(lease, 1) } }),
        hostRecord('h3', 1),
      ],
    });
  const placesOf = (w: LeaseWorld) =>
    Object.fromEntries((w.leases.get(WEB)?.places ?? []).map((p) => [p.hostId, p.count]));

  it('moves from a host that is closed, but for what is in use there', async () => {
    const site = world();
    await site.activities.seekLeases();
    expect(placesOf(site)).toEqual({ h1: 1, h2: 2, h3: 1 });
    expect(site.promised()).toEqual({ h1: 1, h2: 2, h3: 1 });
  });

  it.each(['h2', 'h3'])('stays as it was while %s refuses what it would have to take', async (refusing) => {
    const site = world();
    site.refuses = (id) => id === refusing;
    await site.activities.seekLeases();
    expect(site.promised()).toEqual({ h1: 3, h2: 1, h3: undefined });
    expect(placesOf(site)).toEqual({ h1: 3, h2: 1 });
    expect(site.leases.get(WEB)?.risk?.because).toContain('h1 is cordoned');
  });

  it.each(['setPlaces', 'withdraw'] as const)(
    'is all there again when the worker dies before %s',
    async (at) => {
      const site = world();
      const { hosts, leases } = site.store;
      const [setPlaces, promise] = [leases.setPlaces, hosts.promise];
      const die = async () => Promise.reject(new Error('the worker dies'));
      if (at === 'setPlaces') leases.setPlaces = die;
      else
        hosts.promise = async (...[id, promised, now, others, shrinks]: Parameters<typeof promise>) =>
          shrinks ? die() : promise(id, promised, now, others);
      await expect(site.activities.seekLeases()).rejects.toThrow('the worker dies');
      Object.assign(leases, { setPlaces });
      Object.assign(hosts, { promise });
      // Open again: nothing of it is in doubt.
      Object.assign(site.host('h1'), { cordoned: false });
      await site.activities.seekLeases();
      expect(site.promised()).toEqual({ h3: undefined, ...placesOf(site) });
      expect(Object.values(placesOf(site)).reduce((n, m) => n + m, 0)).toBe(4);
    },
  );

  it('is in doubt where a host has promised less of it than it counts on, and has no room for the rest', async () => {
    const site = world();
    Object.assign(site.host('h1'), { cordoned: false, promises: { [WEB]: promiseOn(lease, 2) } });
    site.refuses = () => true;
    await site.activities.seekLeases();
    expect(site.leases.get(WEB)?.risk?.because).toContain('h1 has not promised all of it');
    site.refuses = () => false;
    await site.activities.seekLeases();
    expect(site.promised()).toEqual({ h1: 3, h2: 1, h3: undefined });
    expect(site.leases.get(WEB)?.risk).toBeNull();
  });

  it('moves from a host that has lost what the lease wants of it', async () => {
    const fast = leaseRecord({ labels: { disk: 'ssd' }, places: [{ hostId: 'h1', count: 1 }] });
    const labels = { disk: 'ssd' };
    const site = new LeaseWorld({
      leases: [fast],
      hosts: [
        hostRecord('h1', 4, { labels, promises: { [WEB]: promiseOn(fast, 1) } }),
        hostRecord('h2', 4, { labels }),
      ],
    });
    await site.activities.seekLeases();
    expect(site.promised()).toEqual({ h1: 1, h2: undefined });
    Object.assign(site.host('h1'), { labels: {} });
    await site.activities.seekLeases();
    expect(site.promised()).toEqual({ h1: undefined, h2: 1 });
  });

  it('is told of once while the same stands in its way', async () => {
    const exam = leaseRecord({ each: size(8), from: 1_000, places: [{ hostId: 'h1', count: 1 }] });
    const stays = { v: { amount: size(8), since: 0, tenantId: 'a', freeAt: 900 } };
    const promises = { [WEB]: promiseOn(exam, 1) };
    const site = new LeaseWorld({
      leases: [exam],
      hosts: [hostRecord('h1', 8, { reserved: size(8), reservations: stays, promises })],
    });
    for (let look = 0; look < 6; look++, site.now += 10_000) {
      await site.activities.seekLeases();
      // How much there is elsewhere is no news.
      site.hosts.set('h2', hostRecord('h2', look));
    }
    expect(site.kinds('lease.at-risk')).toHaveLength(1);
    expect(site.leases.get(WEB)?.risk?.since).toBe(1_000);
  });
});

describe('a reservation that begins as soon as it can', () => {
  const HOUR = 3_600_000;
  const waiting = (n: number, more: object = {}) =>
    leaseRecord({
      ...{ id: `rsv-${n}`, name: `${n}`, kind: 'best-effort', each: size(3), createdAt: n },
      ...{ from: n * 4 * HOUR, until: (n * 4 + 2) * HOUR, places: [{ hostId: 'h1', count: 1 }], ...more },
    });
  const firm = leaseRecord({
    ...{ id: 'rsv-9', name: 'firm', each: size(4), from: HOUR, until: 4 * HOUR },
    places: [{ hostId: 'h1', count: 1 }],
  });
  const world = (...leases: Parameters<typeof promiseOn>[0][]) =>
    new LeaseWorld({
      leases: leases as never,
      hosts: [
        hostRecord('h1', 4, { promises: Object.fromEntries(leases.map((l) => [l.id, promiseOn(l, 1)])) }),
      ],
    });
  const beginsOf = (w: LeaseWorld) => Object.fromEntries([...w.leases].map(([id, l]) => [id, l.from / HOUR]));

  it('is brought forward, in the order in which they were asked for, and never into what is promised', async () => {
    const site = world(waiting(2), waiting(1, { from: 12 * HOUR, until: 14 * HOUR }), firm);
    site.now = 0;
    await site.activities.seekLeases();
    expect(beginsOf(site)).toEqual({ 'rsv-1': 4, 'rsv-2': 6, 'rsv-9': 1 });
    expect(site.host('h1').promises['rsv-2']).toMatchObject({ from: 6 * HOUR, until: 8 * HOUR });
    expect(site.kinds('lease.forward').map((e) => e.message)).toEqual([
      'reservation 1 begins earlier: it is from 1970-01-01T04:00Z to 1970-01-01T06:00Z',
      'reservation 2 begins earlier: it is from 1970-01-01T06:00Z to 1970-01-01T08:00Z',
    ]);
    // What has nothing in its way any more is not told twice, nor moved again.
    await site.activities.seekLeases();
    expect(site.kinds('lease.forward')).toHaveLength(2);
    site.leases.delete('rsv-9');
    delete site.host('h1').promises['rsv-9'];
    await site.activities.seekLeases();
    expect(beginsOf(site)).toEqual({ 'rsv-1': 0, 'rsv-2': 2 });
  });

  it('stays where it is when a host refuses, when it has begun, or when it would be for less than a minute', async () => {
    const refusing = world(waiting(1));
    refusing.refuses = () => true;
    await refusing.activities.seekLeases();
    const begun = world(waiting(1, { from: 500, until: 2 * HOUR }));
    await begun.activities.seekLeases();
    const soon = world(waiting(1, { from: 60_500, until: 2 * HOUR }));
    await soon.activities.seekLeases();
    expect([refusing, begun, soon].map((w) => w.leases.get('rsv-1')?.from)).toEqual([4 * HOUR, 500, 60_500]);
    expect(refusing.kinds('lease.forward')).toEqual([]);
  });
});
