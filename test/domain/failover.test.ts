import fc from 'fast-check';
import type { HostRecord } from '../../domain/host';
import type { HostId, ServiceId, VeeId } from '../../domain/ids';
import { failover, playLosses } from '../../domain/maintenance/failover';
import type { FailoverQuestion, FailoverService } from '../../domain/maintenance/failover-question';
import type { SlaClass } from '../../domain/manifest/sla-class';
import type { SnapshotHost } from '../../domain/placement/model';
import { fits, sum } from '../../domain/units';
import type { VeeRecord } from '../../domain/vee/vee';
import { hostRecord } from '../support/drift-states';
import { asPlaced, hostNamed, membersOf, sketch, tenantId } from '../support/recompose';

interface Placed {
  readonly name: string;
  readonly slaClass?: SlaClass;
  /** `app/0@h1` */
  readonly at: readonly string[];
  readonly cpuMillis?: number;
  readonly rest?: Record<string, unknown>;
}

/** Services of one component, `app`, on hosts of 1,000 thousandths of a core unless they say otherwise. */
function site(
  hosts: readonly SnapshotHost[],
  services: readonly Placed[],
  least: SlaClass = 'bronze',
): FailoverQuestion {
  const made = services.map(({ name, slaClass = 'bronze', at, cpuMillis = 400, rest = {} }) => {
    const capacity = { cpuMillis, memoryMiB: 1 };
    const manifest = sketch([{ name: 'app', capacity, instances: at.length }], { slaClass, ...rest });
    const id = `svc-${name}` as ServiceId;
    const vees = membersOf(manifest, ...at).map(
      (v): VeeRecord => ({ ...v, serviceId: id, id: `${v.id}-${name}` as VeeId }),
    );
    const service: FailoverService = { service: { id, name, tenantId }, slaClass, manifest };
    return { service, vees };
  });
  const vees = made.flatMap((m) => m.vees);
  const taken = hosts.map((h) => ({
    ...h,
    reserved: sum(vees.filter((v) => v.hostId === h.id).map((v) => v.template.capacity)),
  }));
  return {
    hosts: taken.map(recordOf),
    snapshot: {
      at: 0,
      hosts: taken,
      vees: vees.map((v) => ({ ...asPlaced(v), serviceId: v.serviceId })),
    },
    services: made.map((m) => m.service),
    vees,
    policy: { name: 'striping' },
    least,
  };
}

const recordOf = ({ id, zone, liveness, cordoned }: SnapshotHost): HostRecord =>
  hostRecord(id, [], { zone, liveness, cordoned });

const three = (zone: (i: number) => string = (i) => `z${i}`) =>
  [1, 2, 3].map((i) => hostNamed(`h${i}`, { zone: zone(i) }));

describe('fail-over', () => {
  it('counts the losses after which everything has a place', () => {
    const answer = failover(site(three(), [{ name: 'shop', at: ['app/0@h1', 'app/1@h2', 'app/2@h3'] }]));
    // Two of 400 fit on a host of 1,000, three do not.
    expect(answer).toMatchObject({
      lost: [],
      counted: 3,
      hosts: { survived: 3, of: 3 },
      zones: { survived: 3, of: 3 },
      pairs: { survived: 0, of: 3, sampled: false },
      moreLosses: 0,
    });
    // Where each host alone may be lost, it is told what two would strand.
    expect(answer.losses.map((l) => [l.what, l.strandedVees])).toEqual([
      ['h1 and h2', 1],
      ['h1 and h3', 1],
      ['h2 and h3', 1],
    ]);
  });

  it('names what has no place, and why', () => {
    const answer = failover(
      site(three(), [{ name: 'shop', at: ['app/0@h1', 'app/1@h2', 'app/2@h3'], cpuMillis: 600 }]),
    );
    expect(answer.hosts).toEqual({ survived: 0, of: 3 });
    expect(answer.losses[0]).toMatchObject({
      what: 'h1',
      stranded: [
        {
          service: `${tenantId}:shop`,
          component: 'app',
          index: 0,
          slaClass: 'bronze',
          because: expect.stringContaining('cpuMillis 600 needed, 400 free'),
        },
      ],
    });
  });

  it('gives the better class the room that there is, and may leave lower ones out of account', () => {
    const services: Placed[] = [
      { name: 'cheap', slaClass: 'bronze', at: ['app/0@h1'] },
      { name: 'dear', slaClass: 'gold', at: ['app/0@h1'] },
      { name: 'other', slaClass: 'bronze', at: ['app/0@h2'], cpuMillis: 600 },
      { name: 'rest', slaClass: 'bronze', at: ['app/0@h3'], cpuMillis: 700 },
    ];
    const first = failover(site(three(), services)).losses.find((l) => l.what === 'h1');
    expect(first?.stranded.map((s) => s.service)).toEqual([`${tenantId}:cheap`]);
    expect(failover(site(three(), services, 'gold')).hosts).toEqual({ survived: 3, of: 3 });
  });

  it('loses a zone as a whole', () => {
    const hosts = [...three(() => 'near'), hostNamed('h4', { zone: 'far' })];
    const answer = failover(
      site(hosts, [{ name: 'shop', at: ['app/0@h1', 'app/1@h1', 'app/2@h2', 'app/3@h2', 'app/4@h3'] }]),
    );
    expect(answer.hosts).toEqual({ survived: 4, of: 4 });
    // In the far zone there is one host, with room for two of five.
    expect(answer.zones).toEqual({ survived: 1, of: 2 });
    expect(answer.losses).toMatchObject([
      { what: 'zone near', hostIds: ['h1', 'h2', 'h3'], stranded: [{}, {}, {}] },
    ]);
  });

  it('keeps the rules: what must be apart is stranded rather than put together', () => {
    const rest = { placement: { antiAffinity: [{ within: 'app' }] } };
    const at = ['app/0@h1', 'app/1@h2', 'app/2@h3'];
    const answer = failover(site(three(), [{ name: 'shop', at, cpuMillis: 100, rest }]));
    expect(answer.hosts).toEqual({ survived: 0, of: 3 });
    expect(answer.losses[0]?.stranded[0]?.because).toContain('antiAffinity(within app)');
  });

  it('takes no room on hosts that are closed or lost, and has what was lost already find a place first', () => {
    const [h1, h2, h3] = three() as [SnapshotHost, SnapshotHost, SnapshotHost];
    const hosts = [h1, { ...h2, cordoned: true }, { ...h3, liveness: 'lost' as const }];
    const answer = failover(site(hosts, [{ name: 'shop', at: ['app/0@h1'] }]));
    expect(answer).toMatchObject({ lost: ['h3'], hosts: { survived: 1, of: 2 } });
    const waiting = { name: 'late', at: ['app/0@h3'], cpuMillis: 700 };
    const open = [h1, h2, { ...h3, liveness: 'lost' as const }];
    const full = failover(site(open, [{ name: 'shop', at: ['app/0@h1'] }, waiting]));
    // What waits takes the empty host, and leaves no room for the other; without that host it has none itself.
    expect(full.hosts).toEqual({ survived: 0, of: 2 });
    const who = (what: string) => full.losses.find((l) => l.what === what)?.stranded.map((s) => s.service);
    expect([who('h1'), who('h2')]).toEqual([[`${tenantId}:shop`], [`${tenantId}:late`]]);
  });

  it('takes one that is only suspect for one that may be lost like any other', () => {
    const [h1, h2, h3] = three() as [SnapshotHost, SnapshotHost, SnapshotHost];
    const hosts = [h1, h2, { ...h3, liveness: 'suspect' as const }];
    const answer = failover(site(hosts, [{ name: 'shop', at: ['app/0@h1', 'app/1@h2', 'app/2@h3'] }]));
    expect(answer.hosts).toEqual({ survived: 3, of: 3 });
  });

  it('loses a zone host after host, as recoveries do: what is tied follows what was placed first', () => {
    const hosts = [
      hostNamed('h1', { zone: 'z1' }),
      hostNamed('h2', { zone: 'z1' }),
      hostNamed('h3', { zone: 'z2', capacity: { ...SMALL, cpuMillis: 500 } }),
      hostNamed('h4', { zone: 'z3', capacity: { ...SMALL, cpuMillis: 900 } }),
    ];
    const rest = { placement: { affinity: [{ together: ['app'], level: 'zone' }] } };
    const shop = { name: 'shop', at: ['app/0@h1', 'app/1@h2'], rest };
    // Packing takes the smaller zone for the first, and the second has no room there.
    const packing = failover({ ...site(hosts, [shop]), policy: { name: 'packing' } });
    expect(packing.zones).toEqual({ survived: 2, of: 3 });
    expect(packing.losses).toMatchObject([{ what: 'zone z1', strandedVees: 1 }]);
    expect(failover(site(hosts, [shop])).zones).toEqual({ survived: 3, of: 3 });
  });

  it('tries some of many pairs, the same ones each time', () => {
    // Some of which are survived: a few hosts are nearly full.
    const hosts = Array.from({ length: 30 }, (_, i) => hostNamed(`h${i}`));
    const services = hosts.map(
      (h, i): Placed => ({ name: `s${i}`, at: [`app/0@${h.id}`], cpuMillis: i % 3 === 0 ? 980 : 10 }),
    );
    const filler = { name: 'fill', at: hosts.slice(2).map((h, i) => `app/${i}@${h.id}`), cpuMillis: 15 };
    const question = site(hosts, [...services, filler]);
    const answer = failover(question);
    expect(answer.pairs).toMatchObject({ of: 200, sampled: true });
    expect(answer.pairs.survived).toBeGreaterThan(0);
    expect(answer.pairs.survived).toBeLessThan(200);
    const turned = {
      ...question,
      hosts: [...question.hosts].reverse(),
      snapshot: { ...question.snapshot, hosts: [...question.snapshot.hosts].reverse() },
    };
    expect(failover(turned).pairs).toEqual(answer.pairs);
  });

  it('of a site with nothing on it is whole', () => {
    expect(failover(site(three(), []))).toEqual({
      ...{ lost: [], counted: 0 },
      hosts: { survived: 3, of: 3 },
      zones: { survived: 3, of: 3 },
      pairs: { survived: 0, of: 0, sampled: false },
      losses: [],
      moreLosses: 0,
    });
  });

  it('with one more host, empty and large enough for all, survives the loss of any other', () => {
    const load = fc.record({ host: fc.nat(3), cpuMillis: fc.integer({ min: 50, max: 300 }) });
    fc.assert(
      fc.property(fc.array(load, { maxLength: 12 }), (loads) => {
        const hosts = [0, 1, 2, 3].map((i) => hostNamed(`h${i}`, { capacity: LARGE }));
        const services = loads.map(
          ({ host, cpuMillis }, i): Placed => ({ name: `s${i}`, at: [`app/0@h${host}`], cpuMillis }),
        );
        const spare = hostNamed('spare', { capacity: LARGE });
        const { losses } = failover(site([...hosts, spare], services));
        expect(losses.filter((l) => l.what.startsWith('h'))).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });
});

describe('fail-over of a large site', () => {
  const drawn = fc.record({
    sizes: fc.array(fc.constantFrom(500, 1_000), { minLength: 2, maxLength: 4 }),
    services: fc.array(
      fc.record({
        cpuMillis: fc.constantFrom(100, 200, 300, 400),
        at: fc.array(fc.nat(3), { minLength: 1, maxLength: 2 }),
        apart: fc.boolean(),
        slaClass: fc.constantFrom('gold' as const, 'bronze' as const),
      }),
      { maxLength: 5 },
    ),
    policy: fc.constantFrom('striping', 'packing'),
  });

  it('strands nothing quickly that there is no place for, and what it plays through all the same as ever', () => {
    let [quick, slower] = [0, 0];
    fc.assert(
      fc.property(drawn, ({ sizes, services, policy }) => {
        const hosts = sizes.map((cpuMillis, i) => hostNamed(`h${i}`, { capacity: { ...LARGE, cpuMillis } }));
        const asked = services.map(({ cpuMillis, at, apart, slaClass }, n): Placed => {
          const places = [...new Set(at.map((h) => h % hosts.length))];
          const rest = apart ? { placement: { antiAffinity: [{ within: 'app' }] } } : {};
          return { name: `s${n}`, slaClass, cpuMillis, rest, at: places.map((h, i) => `app/${i}@h${h}`) };
        });
        const question = { ...site(hosts, asked), policy: { name: policy } };
        const [plain, large] = [playLosses(question, Number.POSITIVE_INFINITY), playLosses(question, 0)];
        for (const [n, loss] of large.losses.entries()) {
          const same = plain.losses[n];
          expect([loss.kind, loss.what]).toEqual([same?.kind, same?.what]);
          if (loss.stranded.length === 0) expect(hasPlaces(question, loss.hostIds)).toBe(true);
          else if (loss.kind !== 'zone') expect(loss.stranded).toEqual(same?.stranded);
          if (loss.stranded.length > 0 && same?.stranded.length === 0) slower++;
          else quick++;
        }
      }),
      { numRuns: 200 },
    );
    // As good as never is it worse than plans are.
    expect(quick).toBeGreaterThan(500);
    expect(slower).toBeLessThan(quick / 50);
  });
});

/** Is there any way to put what is on these hosts on the others? */
function hasPlaces({ snapshot, vees, services }: FailoverQuestion, gone: readonly HostId[]): boolean {
  const apart = new Set(
    services.filter((s) => s.manifest.placement.antiAffinity.length > 0).map((s) => s.service.id),
  );
  const tryAll = (left: readonly VeeRecord[], placed: readonly VeeRecord[]): boolean => {
    const [next, ...others] = left;
    if (!next) return true;
    return snapshot.hosts.some(({ id: hostId, capacity }) => {
      if (gone.includes(hostId)) return false;
      const there = placed.filter((v) => v.hostId === hostId);
      if (apart.has(next.serviceId) && there.some((v) => v.serviceId === next.serviceId)) return false;
      const need = sum([...there, next].map((v) => v.template.capacity));
      return fits(capacity, need) && tryAll(others, [...placed, { ...next, hostId }]);
    });
  };
  const [lost, standing] = [true, false].map((is) => vees.filter((v) => gone.includes(v.hostId) === is));
  return tryAll(lost ?? [], standing ?? []);
}

const SMALL = { memoryMiB: 1_000, diskMiB: 1_000, bandwidthKbps: 1_000 };
const LARGE = { cpuMillis: 4_000, memoryMiB: 4_000, diskMiB: 0, bandwidthKbps: 0 };
