import type { Json } from '../../support/json';
import { manifestOf } from '../../support/manifests';
import { TestSite } from '../../support/site';
import { operating } from '../scenarios';
import { cleaned, expectWhole } from './support';

describe('quota used that goes negative or is not given back after a failed create', () => {
  let site: TestSite;
  let serial = 0;
  const fresh = () => `q${serial++}`;

  beforeAll(async () => {
    site = await TestSite.start();
  });
  afterAll(() => site.stop());
  afterEach(() => cleaned(site));

  /** What each host says is taken of it, and what its reservations add up to. */
  async function used(): Promise<Json> {
    const { body } = await site.get('/v1/hosts');
    return Object.fromEntries(body.items.map((h: Json) => [h.id, h.reserved]));
  }
  const refuse = (verb: string) =>
    Promise.all(
      site.hostIds.map((hostId) =>
        site.script(hostId, {
          faults: [{ verb, call: 0, when: 'before', do: 'fail', code: 'driver-refused' }],
        }),
      ),
    );

  it.each(['define', 'start'])('a service whose %s fails gives back exactly what it took', async (verb) => {
    await operating(site, fresh());
    const before = await used();
    await refuse(verb);
    expect((await site.ended((await site.apply(manifestOf(fresh()))).body.id)).state).toBe('undone');
    expect(await used()).toEqual(before);
    await expectWhole(site);
  });

  it('a scale out that fails gives back exactly what it took', async () => {
    const serviceId = await operating(site, fresh());
    const before = await used();
    await refuse('start');
    const path = `/v1/services/${serviceId}/components/app/scale`;
    expect((await site.ended((await site.post(path, { instances: 5 })).body.id)).state).toBe('undone');
    expect(await used()).toEqual(before);
    await expectWhole(site);
  });

  it('what is given back twice, since the answer to the first was lost, is given back once', async () => {
    await operating(site, fresh());
    const before = await used();
    await refuse('start');
    await site.arm('site', {
      activity: 'releaseReservations',
      occurrence: 1,
      when: 'after',
      act: 'retry',
    });
    expect((await site.ended((await site.apply(manifestOf(fresh()))).body.id)).state).toBe('undone');
    expect(site.wasStruck('site')).toBe(true);
    expect(await used()).toEqual(before);
    await expectWhole(site);
  });

  it('a site worker killed between taking and giving back loses no account of either', async () => {
    await operating(site, fresh());
    const before = await used();
    await refuse('start');
    await site.arm(
      'site',
      { activity: 'reserveBlueprint', occurrence: 1, when: 'after', act: 'kill' },
      { activity: 'releaseReservations', occurrence: 1, when: 'after', act: 'kill' },
    );
    expect((await site.ended((await site.apply(manifestOf(fresh()))).body.id)).state).toBe('undone');
    expect(site.wasStruck('site')).toBe(true);
    expect(await used()).toEqual(before);
    await expectWhole(site);
  });

  it('a VEE that shrinks holds its old size until it has, and again when it could not', async () => {
    const capacity = { cpuMillis: 400, memoryMiB: 256 };
    const db = { components: [{ name: 'db', image: 'busybox', capacity }], topology: {} };
    const [vee] = await site.vees(await operating(site, fresh(), db));
    const held = async () => (await used())[vee.hostId];
    const before = await held();
    const resize = () => site.post(`/v1/vees/${vee.id}/resize`, { cpuMillis: 100, memoryMiB: 512 });
    await site.arm('agent', { activity: 'resizeVee', occurrence: 1, when: 'before', act: 'hold' });
    const started = await resize();
    await site.held('agent');
    // Of each dimension what is more: it may have either size now.
    expect(await held()).toMatchObject({ cpuMillis: before.cpuMillis, memoryMiB: before.memoryMiB + 256 });
    await site.release('agent');
    await site.done(started);
    const after = { cpuMillis: before.cpuMillis - 300, memoryMiB: before.memoryMiB + 256 };
    expect(await held()).toMatchObject(after);
    await site.disarm();
    await site.arm('agent', { activity: 'resizeVee', occurrence: 1, when: 'after', act: 'fail' });
    const back = await site.post(`/v1/vees/${vee.id}/resize`, { cpuMillis: 50 });
    expect((await site.ended(back.body.id)).state).toBe('undone');
    expect(await held()).toMatchObject(after);
    await expectWhole(site);
  });

  it('services that are applied and deleted over and over leave nothing taken', async () => {
    for (let i = 0; i < 5; i++) {
      const serviceId = await operating(site, fresh());
      await site.done(await site.delete(`/v1/services/${serviceId}`));
    }
    for (const reserved of Object.values(await used()))
      expect(reserved).toEqual({ cpuMillis: 0, memoryMiB: 0, diskMiB: 0, bandwidthKbps: 0 });
  });

  it('more than there is, asked for by many at once: none is overbooked, and those refused take nothing', async () => {
    const capacity = { cpuMillis: 6_000, memoryMiB: 64 };
    const big = (name: string) =>
      manifestOf(name, { components: [{ name: 'db', image: 'busybox', capacity }], topology: {} });
    // Each of the three hosts has room for two of them.
    const replies = await Promise.all(Array.from({ length: 10 }, () => site.apply(big(fresh()))));
    const ended = await Promise.all(replies.map((r) => site.ended(r.body.id)));
    const completed = ended.filter((o) => o.state === 'completed');
    expect(completed).toHaveLength(6);
    expect(ended.filter((o) => o.state === 'undone')).toHaveLength(4);
    const total = (Object.values(await used()) as Json[]).reduce((sum, r) => sum + r.cpuMillis, 0);
    expect(total).toBe(6 * capacity.cpuMillis);
    await expectWhole(site);
  });
});
