import fc from 'fast-check';
import type { BlueprintId, OperationId, ServiceId, TenantId, VeeId } from '../../domain/ids';
import { checkManifest } from '../../domain/manifest/parse';
import type { HostVerdict, Snapshot, SnapshotHost } from '../../domain/placement/model';
import { plan } from '../../domain/placement/plan';
import type { Policy } from '../../domain/placement/policy';
import { refusalGroups, refusalSummary } from '../../domain/placement/refusal-summary';
import { roomForService, roomForShape, type Shape } from '../../domain/placement/room';
import { type Capacity, ZERO } from '../../domain/units';
import { hostNamed } from '../support/recompose';

const policy: Policy = { name: 'packing' };
const snapshotOf = (hosts: readonly SnapshotHost[]): Snapshot => ({ at: 1, hosts, vees: [] });
const shape = (cpuMillis: number, memoryMiB: number, more: Partial<Shape> = {}): Shape => ({
  need: { ...ZERO, cpuMillis, memoryMiB },
  labels: {},
  ...more,
});
const holding = (cpuMillis: number, memoryMiB: number): Capacity => ({ ...ZERO, cpuMillis, memoryMiB });

describe('room for VEEs of a shape', () => {
  it('is what each host has left, and says what keeps it from more', () => {
    const hosts = [
      hostNamed('h1'),
      hostNamed('h2', { reserved: holding(0, 850) }),
      hostNamed('h3', { cordoned: true }),
      hostNamed('h4', { liveness: 'lost' }),
    ];
    const room = roomForShape(snapshotOf(hosts), shape(300, 100));
    expect(room.fits).toBe(4);
    expect(room.hosts).toEqual([
      { hostId: 'h1', fits: 3, because: 'CPU' },
      { hostId: 'h2', fits: 1, because: 'memory' },
      { hostId: 'h3', fits: 0, because: 'the host is cordoned' },
      { hostId: 'h4', fits: 0, because: 'the host is lost' },
    ]);
    expect(room.limits).toEqual([
      { because: 'CPU', hosts: 1 },
      { because: 'memory', hosts: 1 },
      { because: 'the host is cordoned', hosts: 1 },
      { because: 'the host is lost', hosts: 1 },
    ]);
  });

  it('tells what is scattered: it would fit if it were on one host', () => {
    const half = { reserved: holding(500, 500) };
    const room = roomForShape(snapshotOf([hostNamed('h1', half), hostNamed('h2', half)]), shape(600, 600));
    expect(room).toMatchObject({ fits: 0, fitsIfWhole: 1 });
  });

  it('asks for the image and the labels only where they are given', () => {
    const hosts = [hostNamed('h1', { labels: { disk: 'ssd' } }), hostNamed('h2', { images: [] })];
    const fits = (more: Partial<Shape>) => roomForShape(snapshotOf(hosts), shape(1_000, 1, more)).fits;
    expect(fits({})).toBe(2);
    expect(fits({ image: 'busybox' })).toBe(1);
    expect(fits({ labels: { disk: 'ssd' } })).toBe(1);
    expect(fits({ image: 'nowhere' })).toBe(0);
  });

  it('tells of a device that no host has, and which there are', () => {
    const capacity = { ...holding(1_000, 1_000), devices: { gpu: 1, fpga: 2 } };
    const site = snapshotOf([hostNamed('h1', { capacity }), hostNamed('h2')]);
    const need = (device: string) => shape(1, 1, { need: { ...holding(1, 1), devices: { [device]: 1 } } });
    const because = 'no host of the site has a device gpuu; there are: fpga, gpu';
    expect(roomForShape(site, need('gpuu'))).toMatchObject({ fits: 0, limits: [{ because, hosts: 2 }] });
    expect(roomForShape(site, need('gpu')).fits).toBe(1);
  });

  it('takes a host that holds more than it has for full, and nothing from the others', () => {
    const hosts = [hostNamed('h1', { reserved: holding(5_000, 0) }), hostNamed('h2')];
    expect(roomForShape(snapshotOf(hosts), shape(500, 1))).toMatchObject({ fits: 2, fitsIfWhole: 2 });
  });

  it('of a site without hosts is none', () => {
    expect(roomForShape(snapshotOf([]), shape(1, 1))).toEqual({
      fits: 0,
      fitsIfWhole: 0,
      hosts: [],
      limits: [],
    });
  });

  const anyHost = (i: number) =>
    fc
      .record({
        capacity: fc.record({
          cpuMillis: fc.integer({ min: 0, max: 900 }),
          memoryMiB: fc.integer({ min: 0, max: 900 }),
          diskMiB: fc.constant(0),
          bandwidthKbps: fc.constant(0),
        }),
        reserved: fc.record({
          cpuMillis: fc.integer({ min: 0, max: 300 }),
          memoryMiB: fc.integer({ min: 0, max: 300 }),
          diskMiB: fc.constant(0),
          bandwidthKbps: fc.constant(0),
        }),
        cordoned: fc.boolean(),
      })
      .map((over) => hostNamed(`h${i}`, over));
  const anySite = fc.integer({ min: 0, max: 4 }).chain((n) => fc.tuple(...[...Array(n).keys()].map(anyHost)));
  const size = fc.integer({ min: 100, max: 400 });

  it('is exactly as many as the planner places one after the other', () => {
    fc.assert(
      fc.property(anySite, size, size, (hosts, cpuMillis, memoryMiB) => {
        const wanted = shape(cpuMillis, memoryMiB, { image: 'busybox' });
        expect(placedOneByOne(hosts, wanted.need)).toBe(roomForShape(snapshotOf(hosts), wanted).fits);
      }),
      { numRuns: 200 },
    );
  });

  it('never shrinks with another host, never exceeds what would fit in one', () => {
    fc.assert(
      fc.property(anySite, anyHost(9), size, size, (hosts, another, cpuMillis, memoryMiB) => {
        const wanted = shape(cpuMillis, memoryMiB);
        const room = roomForShape(snapshotOf(hosts), wanted);
        expect(room.fits).toBeLessThanOrEqual(room.fitsIfWhole);
        expect(roomForShape(snapshotOf([...hosts, another]), wanted).fits).toBeGreaterThanOrEqual(room.fits);
      }),
      { numRuns: 200 },
    );
  });
});

function placedOneByOne(hosts: readonly SnapshotHost[], need: Capacity): number {
  const reserved = new Map(hosts.map((h) => [h.id, h.reserved]));
  for (let n = 0; ; n++) {
    const now = hosts.map((h) => ({ ...h, reserved: reserved.get(h.id) ?? h.reserved }));
    const vee = {
      id: `vee-${n}` as VeeId,
      tenantId: 'acme' as TenantId,
      serviceId: 'svc-1' as ServiceId,
      component: 'a',
      index: n,
      need,
      image: 'busybox',
    };
    const context = {
      now: 1,
      seed: 's',
      blueprintId: 'bp-1' as BlueprintId,
      operationId: 'op-1' as OperationId,
    };
    const answer = plan(snapshotOf(now), { vees: [vee], constraints: [] }, policy, context);
    if (answer.kind === 'infeasible') return n;
    const hostId = answer.assignments[0]?.hostId;
    const host = now.find((h) => h.id === hostId);
    if (!host) throw new Error('placed nowhere');
    reserved.set(host.id, {
      ...host.reserved,
      cpuMillis: host.reserved.cpuMillis + need.cpuMillis,
      memoryMiB: host.reserved.memoryMiB + need.memoryMiB,
    });
  }
}

describe('room for services of a manifest', () => {
  const manifestWith = (more: Record<string, unknown> = {}) =>
    checkManifest({
      apiVersion: 'sluice/v1',
      kind: 'Service',
      name: 'shop',
      components: [
        { name: 'db', image: 'busybox', capacity: { cpuMillis: 200, memoryMiB: 100 } },
        {
          name: 'app',
          image: 'busybox',
          capacity: { cpuMillis: 100, memoryMiB: 100 },
          instances: { min: 1, initial: 2, max: 5 },
        },
      ],
      ...more,
    });
  const ask = (hosts: readonly SnapshotHost[], more?: Record<string, unknown>) =>
    roomForService({ snapshot: snapshotOf(hosts), manifest: manifestWith(more), policy });

  it('is as many as are placed whole, and says why not one more', () => {
    const room = ask([hostNamed('h1'), hostNamed('h2')]);
    // 400 of 1,000 thousandths of a core each, also split between hosts.
    expect(room).toMatchObject({ services: 5, veesEach: 3, orMore: false });
    expect(room.because).toMatch(/^No placement .* for db\/0 .*cpuMillis 200 needed, 0 free/);
    expect(room.hosts).toEqual([
      { hostId: 'h1', before: 0, after: 1 },
      { hostId: 'h2', before: 0, after: 1 },
    ]);
  });

  it('keeps the constraints of each of them, which do not bind one to another', () => {
    const app = {
      name: 'app',
      image: 'busybox',
      capacity: { cpuMillis: 100, memoryMiB: 100 },
      instances: { min: 1, initial: 2, max: 5 },
    };
    const apart = { components: [app], placement: { antiAffinity: [{ within: 'app' }] } };
    expect(ask([hostNamed('h1')], apart)).toMatchObject({ services: 0 });
    expect(ask([hostNamed('h1'), hostNamed('h2')], apart)).toMatchObject({ services: 10 });
  });

  it('ends counting at some time, and says that there may be more', () => {
    const capacity = { cpuMillis: 10_000_000, memoryMiB: 10_000_000, diskMiB: 0, bandwidthKbps: 0 };
    const room = ask([hostNamed('h1', { capacity })]);
    expect(room).toMatchObject({ services: 1_000, orMore: true });
    expect(room.because).toBeUndefined();
  });

  it('is the same for the same question', () => {
    const hosts = [hostNamed('h1', { reserved: holding(300, 0) }), hostNamed('h2'), hostNamed('h3')];
    expect(ask(hosts)).toEqual(ask(hosts));
  });
});

describe('why many hosts refuse', () => {
  const verdict = (id: string, ...refusals: HostVerdict['refusals']): HostVerdict => ({
    hostId: id as HostVerdict['hostId'],
    refusals,
  });
  const memory = (id: string, free: number) =>
    verdict(id, { reason: 'capacity', dimension: 'memoryMiB', need: 512, free });
  const hosts = [
    memory('h1', 100),
    memory('h2', 400),
    memory('h3', 0),
    verdict('h4', { reason: 'cordoned' }),
    verdict('h5', { reason: 'constraint', constraint: 'apart-within(db)', because: 'db (vee-1) is there' }),
    verdict('h6', { reason: 'constraint', constraint: 'apart-within(db)', because: 'db (vee-2) is there' }),
  ];

  it('is told by reason, each host once', () => {
    expect(refusalGroups(hosts)).toEqual([
      { because: 'memory', hosts: 3 },
      { because: 'apart-within(db)', hosts: 2 },
      { because: 'the host is cordoned', hosts: 1 },
    ]);
  });

  it('is told in one line, with the host that lacks least', () => {
    const unplaced = [{ veeId: 'vee-1' as VeeId, component: 'db', index: 0, hosts }];
    expect(refusalSummary({ kind: 'infeasible', proven: true, unplaced })).toBe(
      'No placement exists for db/0. 3 hosts: memory; 2 hosts: apart-within(db); 1 host: the host is cordoned; ' +
        'nearest is h2: memoryMiB 512 needed, 400 free.',
    );
  });
});
