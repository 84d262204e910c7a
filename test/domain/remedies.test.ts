import fc from 'fast-check';
import type { HostId, LeaseId, TenantId } from '../../domain/ids';
import type { PlacementRequest, Snapshot } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import { remediesFor } from '../../domain/placement/remedies';
import { ZERO } from '../../domain/units';
import { utcText } from '../../domain/utc';
import { context, host, packing, snapshotOf, vee, within } from '../support/placement';

const ifs = (snapshot: Snapshot, request: PlacementRequest) =>
  remediesFor({ snapshot, request, policy: packing, context }).map((r) => r.if);
const three = { vees: [vee('a', 0, 600), vee('a', 1, 600), vee('a', 2, 600)], constraints: [] };

describe('what would be enough for a request without room', () => {
  it('is to open a host, to have one back, or to ask for less', () => {
    const hosts = [
      host('h1', 1_000),
      host('h2', 1_000, { cordoned: true }),
      host('h3', 1_000, { liveness: 'lost' }),
    ];
    expect(ifs(snapshotOf(hosts), { ...three, vees: three.vees.slice(0, 2) })).toEqual([
      'if h2 were uncordoned',
      'if h3, which is lost, were up',
      'with only 1 of the 2 new VEEs of a',
      'with one more host like h1, in use for nothing else',
    ]);
  });

  it('is an image, where only that is missing', () => {
    const hosts = [host('h1', 1_000), host('h2', 1_000, { images: [] }), host('h3', 1_000, { images: [] })];
    expect(ifs(snapshotOf(hosts), three)).toContain(
      'if the image busybox were on those that lack it (h2, h3)',
    );
    const bare = hosts.map((h) => ({ ...h, images: [] }));
    expect(ifs(snapshotOf(bare), three)[0]).toBe('if the image busybox were on the hosts');
  });

  it('is a rule that is given up', () => {
    const request = { vees: [vee('a', 0), vee('a', 1)], constraints: [within('a')] };
    expect(ifs(snapshotOf([host('h1', 1_000)]), request)).toContain(
      'without the rule antiAffinity(within a)',
    );
  });

  it('is several hosts, but no more than anybody would read', () => {
    expect(ifs(snapshotOf([host('h1', 600, { cordoned: true })]), three)).toEqual([
      'with 3 more hosts like h1, in use for nothing else',
    ]);
    const five = { vees: Array.from({ length: 5 }, (_, i) => vee('a', i, 600)), constraints: [] };
    expect(ifs(snapshotOf([host('h1', 600, { cordoned: true })]), five)).toEqual([]);
  });

  it('says of nobody’s hosts anything to who may not see them', () => {
    const hosts = [host('h1', 1_000), host('h2', 1_000, { cordoned: true })];
    const told = remediesFor({
      ...{ snapshot: snapshotOf(hosts), policy: packing, context },
      request: { ...three, vees: three.vees.slice(0, 2) },
    });
    expect(told.filter((r) => r.by === 'anybody').map((r) => r.if)).toEqual([
      'with only 1 of the 2 new VEEs of a',
    ]);
  });

  it('is the latest end that is early enough, however many promises come after it', () => {
    const minute = 60_000;
    const promises = Array.from({ length: 40 }, (_, n) => ({
      ...{ leaseId: `rsv-${n}` as LeaseId, tenantId: 'globex' as TenantId, name: `r${n}` },
      ...{ from: (n + 2) * 10 * minute, until: (n + 2) * 10 * minute + minute },
      // From the eleventh on there is too much of it.
      amount: { ...ZERO, cpuMillis: n < 10 ? 300 : 800 },
    }));
    const promising = host('h1', 1_000, { promised: { promises, stays: [] } });
    expect(ifs(snapshotOf([promising]), { vees: [vee('a', 0, 600)], constraints: [] })).toContain(
      `if it ended by ${utcText((10 + 2) * 10 * minute - minute)}`,
    );
  });

  it('is enough: the plan that is made with it finds room', () => {
    const sizes = fc.array(fc.integer({ min: 100, max: 900 }), { minLength: 1, maxLength: 6 });
    const flags = fc.array(
      fc.record({ cordoned: fc.boolean(), room: fc.integer({ min: 100, max: 1_500 }) }),
      {
        minLength: 1,
        maxLength: 4,
      },
    );
    fc.assert(
      fc.property(sizes, flags, (needs, hosts) => {
        const snapshot = snapshotOf(hosts.map((h, i) => host(`h${i}`, h.room, { cordoned: h.cordoned })));
        const request = { vees: needs.map((cpu, i) => vee('a', i, cpu)), constraints: [] };
        if (plan(snapshot, request, packing, context).kind === 'blueprint') return;
        for (const told of ifs(snapshot, request)) {
          const opened = /^if (h\d) were uncordoned$/.exec(told)?.[1] as HostId | undefined;
          const most = /^with only (\d+) of the/.exec(told)?.[1];
          const changed = {
            ...snapshot,
            hosts: snapshot.hosts.map((h) => (h.id === opened ? { ...h, cordoned: false } : h)),
          };
          const less = { ...request, vees: request.vees.slice(0, most ? Number(most) : undefined) };
          if (opened || most) expect(plan(changed, less, packing, context).kind).toBe('blueprint');
        }
      }),
    );
  });

  it('is not looked for where to try would take too long', () => {
    const hosts = Array.from({ length: 2_000 }, (_, i) => host(`h${i}`, 100, { cordoned: i > 0 }));
    const vees = Array.from({ length: 2_000 }, (_, i) => vee('a', i, 100));
    expect(ifs(snapshotOf(hosts), { vees, constraints: [] })).toEqual([]);
  });
});
