import type { Json } from '../../support/json';
import { manifestOf } from '../../support/manifests';
import { TestSite } from '../../support/site';

/** Cases that broke others, of hosts in maintenance. The titles are theirs. */
describe('maintenance', () => {
  let site: TestSite;
  beforeAll(async () => {
    site = await TestSite.start({ hosts: 3 });
  });
  afterAll(() => site.stop());
  afterEach(async () => {
    await site.disarm();
    for (const n of [1, 2, 3]) {
      const { body } = await site.get(`/v1/hosts/host-${n}`);
      if (body.maintenance) await site.done(await site.post(`/v1/hosts/host-${n}/restore`));
      await site.post(`/v1/hosts/host-${n}/uncordon`);
    }
    const { body } = await site.get('/v1/services?limit=200');
    for (const service of body.items.filter((s: Json) => s.phase !== 'decommissioned'))
      await site.done(await site.delete(`/v1/services/${service.id}`));
  });

  const app = (name: string, initial: number) =>
    manifestOf(name, {
      components: [
        {
          name: 'app',
          image: 'busybox',
          capacity: { cpuMillis: 100, memoryMiB: 64 },
          instances: { initial, max: 20 },
        },
      ],
      topology: {},
    });
  const runningOn = async (hostId: string) =>
    (await site.onHosts()).filter((v) => v.hostId === hostId && v.state === 'ACTIVE').map((v) => v.veeId);
  const host = async (id: string) => (await site.get(`/v1/hosts/${id}`)).body;

  it('a drain that says complete while one VEE still runs', async () => {
    // One is on its way to the host, its place reserved, when the drain begins.
    await site.arm('agent', { activity: 'defineVee', occurrence: 2, when: 'before', act: 'hold' });
    const provisioning = await site.apply(app('arriving', 3));
    await site.held('agent');
    const [some] = (await site.get('/v1/holdings')).body.items;
    const drain = await site.post(`/v1/hosts/${some.hostId}/drain`, {});
    expect(drain.status).toBe(202);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect((await site.get(`/v1/operations/${drain.body.id}`)).body.state).toBe('running');
    await site.release('agent');
    await site.done(provisioning);
    await site.done(drain);
    expect(await runningOn(some.hostId)).toEqual([]);
    expect((await site.onHosts()).filter((v) => v.state === 'ACTIVE')).toHaveLength(3);
    expect(await site.violations()).toEqual([]);
  });

  it('a drain that cannot be cancelled', async () => {
    const { serviceId } = await site.done(await site.apply(app('stubborn', 3)));
    const [vee] = (await site.vees(serviceId)).filter((v: Json) => v.hostId === 'host-1');
    // It could be moved when the drain was asked for, and can't any more when its turn comes.
    await site.arm('site', { activity: 'beginMaintenance', occurrence: 1, when: 'after', act: 'hold' });
    const drain = await site.post('/v1/hosts/host-1/drain', {});
    await site.held('site');
    await site.done(await site.post(`/v1/vees/${vee.id}/pause`));
    await site.release('site');
    const stuck = await site.ended(drain.body.id);
    expect(stuck).toMatchObject({
      state: 'stuck',
      cancellable: true,
      stuck: { step: 'move the rest', error: { code: 'drain-incomplete' } },
      notes: [{ about: `stubborn/app/${vee.index}`, error: { code: 'transition-illegal' } }],
    });
    // An operator closes it for another reason meanwhile: that is what is asked for last.
    await site.post('/v1/hosts/host-1/cordon');
    expect((await site.post(`/v1/operations/${drain.body.id}/cancel`)).status).toBe(202);
    await site.until('it ends', 10_000, async () =>
      (await site.get(`/v1/operations/${drain.body.id}`)).body.state === 'undone' ? true : undefined,
    );
    expect(await host('host-1')).toMatchObject({ cordoned: true });
    expect((await host('host-1')).maintenance).toBeUndefined();
    expect(await site.vees(serviceId)).toHaveLength(3);
    expect(await site.violations()).toEqual([]);
  });

  it('a restore after maintenance that moves a VEE which someone stopped meanwhile', async () => {
    const { serviceId } = await site.done(await site.apply(app('stopped', 6)));
    const left = (await site.vees(serviceId)).filter((v: Json) => v.hostId === 'host-1');
    await site.done(await site.post('/v1/hosts/host-1/drain', {}));
    await site.done(await site.post(`/v1/vees/${left[0].id}/pause`));
    const away = (await site.get(`/v1/vees/${left[0].id}`)).body.hostId;
    const plan = await site.post('/v1/hosts/host-1/restore?dryRun=true');
    const { component, index } = left[0];
    expect(plan.body.steps).toContain(
      `leave stopped/${component}/${index}: it is PAUSED: somebody stopped it meanwhile`,
    );
    await site.done(await site.post('/v1/hosts/host-1/restore'));
    expect((await site.get(`/v1/vees/${left[0].id}`)).body).toMatchObject({ hostId: away, state: 'PAUSED' });
    expect((await runningOn('host-1')).sort()).toEqual(
      left
        .slice(1)
        .map((v: Json) => v.id)
        .sort(),
    );
    expect(await site.violations()).toEqual([]);
  });

  it('a drain whose target dies plans anew', async () => {
    const { serviceId } = await site.done(await site.apply(app('again', 3)));
    await site.arm('agent', { activity: 'prepareTarget', occurrence: 1, when: 'before', act: 'fail' });
    const drain = await site.done(await site.post('/v1/hosts/host-1/drain', {}));
    expect(drain.steps.map((s: Json) => s.name)).toContain('move again (round 2)');
    expect(drain.notes).toBeUndefined();
    expect((await site.vees(serviceId)).some((v: Json) => v.hostId === 'host-1')).toBe(false);
  });
});
