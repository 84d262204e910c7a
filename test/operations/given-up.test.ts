import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

/** An operator may give an operation up in the middle: what it held then is nobody's, and must not stay so. */
describe('what an operation that was given up still holds', () => {
  let site: TestSite;
  const GRACE_MILLIS = 500;

  beforeAll(async () => {
    site = await TestSite.start({ environment: { SLUICE_ORPHAN_GRACE_MILLIS: String(GRACE_MILLIS) } });
  });
  afterAll(() => site.stop());

  it('is given back by the next reconciliation, which says so beforehand', async () => {
    const components = [{ name: 'db', image: 'busybox', capacity: { cpuMillis: 100, memoryMiB: 64 } }];
    const { serviceId } = await site.done(await site.apply(manifestOf('left', { components, topology: {} })));
    const [vee] = await site.vees(serviceId);
    await site.arm(
      'agent',
      { activity: 'prepareTarget', occurrence: 1, when: 'before', act: 'fail' },
      { activity: 'cancelMigration', occurrence: 1, when: 'before', act: 'fail' },
    );
    const { body } = await site.post(`/v1/vees/${vee.id}/migrate`, {});
    expect(await site.ended(body.id)).toMatchObject({ state: 'stuck', stuck: { direction: 'undo' } });
    await site.post(`/v1/operations/${body.id}/abort`);
    await site.until('it has ended', 10_000, async () =>
      (await site.get(`/v1/operations/${body.id}`)).body.endedAt === undefined ? undefined : true,
    );
    expect(await site.violations()).toEqual(
      expect.arrayContaining([
        expect.stringContaining('was never released'),
        expect.stringContaining('is left in transition'),
      ]),
    );
    const plan = await site.until('its hosts have spoken since', 10_000, async () => {
      const { steps } = (await site.post('/v1/reconcile?dryRun=true', {})).body;
      return steps.length === 2 ? steps : undefined;
    });
    expect(plan).toEqual([
      expect.stringMatching(`^give back what ${body.id} still holds for ${vee.id} on host-`),
      `unlock ${vee.id}, which ${body.id} still holds`,
    ]);
    // Asked for one kind of drift only, it leaves them.
    await site.done(await site.post('/v1/reconcile', { kinds: ['missing'] }));
    expect((await site.violations()).length).toBeGreaterThan(0);
    await site.done(await site.post('/v1/reconcile', {}));
    expect(await site.violations()).toEqual([]);
    const told = (await site.get(`/v1/events?subject=${vee.id}`)).body.items.map((e: Json) => e.kind);
    expect(told.filter((k: string) => k === 'operation.leftover-released')).toHaveLength(2);
    expect((await site.vees(serviceId))[0]).toMatchObject({ state: 'ACTIVE', hostId: vee.hostId });
    await site.done(await site.post(`/v1/vees/${vee.id}/migrate`, {}));
  });
});
