import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';
import { cliOf } from '../support/sluice-process';

/** Of half a host each. */
const serviceOf = (name: string, initial: number) =>
  manifestOf(name, {
    components: [
      {
        ...{ name: 'app', image: 'busybox', capacity: { cpuMillis: 8_000, memoryMiB: 64 } },
        instances: { min: 1, initial, max: 9 },
      },
    ],
    topology: {},
  });

describe('places that are reserved for a time', () => {
  let site: TestSite;
  let folder: string;

  beforeAll(async () => {
    site = await TestSite.start({ hosts: 2, environment: { SLUICE_LEASES_MILLIS: '1000' } });
    await site.post('/v1/tenants', { id: 'rival' });
    folder = await mkdtemp(join(tmpdir(), 'sluice-reservations-'));
    for (const [name, initial] of [
      ['three', 3],
      ['lab', 1],
    ] as const)
      await writeFile(join(folder, `${name}.yaml`), JSON.stringify(serviceOf(name, initial)));
  });
  afterAll(async () => {
    await site?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = cliOf(
    () => site,
    () => folder,
  );
  const file = (name: string) => join(folder, `${name}.yaml`);
  const reserve = async (name: string, more: object, tenant = 'acme') =>
    (
      await site.post(`/v1/reservations?tenant=${tenant}`, {
        ...{ name, count: 2, each: { cpuMillis: 8_000, memoryMiB: 64 }, ...more },
      })
    ).body;
  const lease = async (name: string) => {
    const { id } = (await site.all('/v1/reservations')).find((l) => l.name === name) ?? {};
    return (await site.get(`/v1/reservations/${id}`)).body;
  };

  it('are promised, or refused with the reason and the time that would do', async () => {
    const made = await run(
      ...['reservation', 'create', 'web', '--tenant', 'acme', '--cpu-millis', '8000', '--memory-mib', '64'],
      ...['--count', '2', '--apart', '--from', '1h', '--for', '2h'],
    );
    expect(made.out).toMatch(/^Reservation web of acme \(advance\): planned\n.*1 on host-1, 1 on host-2\n/);
    expect(await reserve('web', { forMillis: 7_200_000 })).toMatchObject({ code: 'already-exists' });
    expect(await reserve('more', { forMillis: 60_000 })).toMatchObject({ pointer: '/forMillis' });
    expect(await reserve('more', { count: 3, forMillis: 10_800_000 })).toMatchObject({
      code: 'placement-infeasible',
      detail: expect.stringMatching(
        /room for 2 of 3 then.*promised to reservation web.*There would be room from/,
      ),
    });
    const later = await reserve('more', { count: 3, forMillis: 10_800_000, bestEffort: true }, 'rival');
    expect(later).toMatchObject({ state: 'planned', from: (await lease('web')).until });
    expect((await run('reservation', 'cancel', 'more')).out).toContain('cancelled');
  });

  it('are left by what is placed meanwhile, unless that ends before', async () => {
    const dry = await run('plan', '-f', file('three'), '--tenant', 'rival');
    expect(dry).toMatchObject({ code: 6, out: expect.stringContaining('promised to reservation web') });
    expect(dry.out).toMatch(/it would fit if it ended by /);
    const until = Date.now() + 1_800_000;
    const { serviceId } = await site.done(
      await site.post(`/v1/services?tenant=rival&until=${until}`, serviceOf('three', 3)),
    );
    expect(
      (await site.send('PUT', `/v1/services/${serviceId}/end`, { body: { until: null } })).body,
    ).toMatchObject({
      ...{ code: 'placement-infeasible', detail: expect.stringContaining('has promised to others') },
    });
    const token = (await site.post('/v1/tenants/rival/tokens', { name: 'own' })).body.token;
    const refused = await site.send('PUT', `/v1/services/${serviceId}/end`, { token, body: { until: null } });
    expect(refused.body.detail).toBe('There is no room for three for so long.');
    expect(await site.violations()).toEqual([]);
    // It is back to the end that it had, and goes by itself when its time comes.
    const service = async () => (await site.get(`/v1/services/${serviceId}`)).body;
    expect(await service()).toMatchObject({ until });
    expect((await run('extend', 'three', '--until', '1s')).out).toMatch(/^three ends at /);
    await site.until('it is gone', 20_000, async () =>
      (await service()).phase === 'decommissioned' ? true : undefined,
    );
  });

  it('are used by what is applied against them, and at risk while a host of them is closed', async () => {
    await reserve('now', { forMillis: 1_800_000 });
    await site.delete(`/v1/reservations/${(await lease('web')).id}`);
    const others = await site.post('/v1/services?tenant=rival&reservation=now', serviceOf('lab', 1));
    expect(others.status).toBe(404);
    expect(await run('apply', '-f', file('lab'), '--tenant', 'acme', '--reservation', 'now')).toMatchObject({
      code: 0,
    });
    const { places, services, until } = await lease('now');
    expect(services).toMatchObject([{ name: 'lab', until: until - 60_000 }]);
    const [vee] = (await site.all('/v1/vees')).filter((v) => v.state === 'ACTIVE');
    expect(places).toEqual([{ hostId: vee?.hostId, count: 2 }]);
    expect(await run('extend', 'lab', '--forever')).toMatchObject({ code: 2 });
    // The same again is no news; another end is not given by the way.
    const again = (query: string) => site.post(`/v1/services?tenant=acme${query}`, serviceOf('lab', 1));
    expect((await again('&reservation=now')).status).toBe(202);
    expect((await again(`&until=${until}`)).body).toMatchObject({ code: 'already-exists' });

    const other = vee?.hostId === 'host-1' ? 'host-2' : 'host-1';
    await site.post(`/v1/hosts/${vee?.hostId}/cordon`);
    const moved = await site.until('what is not in use is elsewhere', 20_000, async () => {
      const now = await lease('now');
      return now.places.length === 2 && now.atRisk ? now : undefined;
    });
    expect(moved.places).toContainEqual({ hostId: other, count: 1 });
    expect((await run('get', 'reservations')).out).toMatch(/now +acme +active, at risk +2 /);
    await site.post(`/v1/hosts/${vee?.hostId}/uncordon`);
    await site.until('it is at risk no more', 20_000, async () =>
      (await lease('now')).atRisk ? undefined : true,
    );
    expect(await site.violations()).toEqual([]);
    const kinds = (await site.all('/v1/events')).map((e) => e.kind);
    for (const kind of [
      'lease.made',
      'lease.began',
      'lease.at-risk',
      'lease.moved',
      'lease.safe',
      'service.ends',
    ])
      expect(kinds).toContain(kind);
    const token = (await site.post('/v1/tenants/acme/tokens', { name: 'own' })).body.token;
    const own = (await site.get('/v1/events?limit=200', token)).body.items.filter((e: { kind: string }) =>
      e.kind.startsWith('lease.'),
    );
    expect(own.map((e: { kind: string }) => e.kind)).toEqual(
      expect.arrayContaining(['lease.moved', 'lease.at-risk']),
    );
    expect(JSON.stringify(own)).not.toMatch(/host-\d|toTenant/);
  }, 60_000);
});
