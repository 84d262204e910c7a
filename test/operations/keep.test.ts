import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

const capacity = { cpuMillis: 100, memoryMiB: 64 };

describe('provisioning that keeps what starts', () => {
  let site: TestSite;

  beforeAll(async () => {
    site = await TestSite.start();
  });
  afterAll(() => site.stop());
  afterEach(async () => {
    const { body } = await site.get('/v1/services?limit=200');
    for (const s of body.items.filter((x: Json) => x.phase !== 'decommissioned'))
      await site.done(await site.delete(`/v1/services/${s.id}`));
    expect(await site.onHosts()).toEqual([]);
    expect((await site.get('/v1/holdings')).body.items).toEqual([]);
    expect(await site.violations()).toEqual([]);
  });

  /** db ← app ← lb, and a worker that needs nobody. */
  const tiers = (name: string) =>
    manifestOf(name, {
      components: [
        { name: 'db', image: 'busybox', capacity },
        { name: 'worker', image: 'busybox', capacity },
        { name: 'app', image: 'busybox', capacity, instances: { initial: 2, max: 2 } },
        { name: 'lb', image: 'busybox', capacity },
      ],
      topology: {
        dependencies: [
          { component: 'app', dependsOn: ['db'] },
          { component: 'lb', dependsOn: ['app'] },
        ],
      },
      provisioning: { onFailure: 'keep' },
    });
  const failing = async (activity: string, occurrences: readonly number[], name: string) => {
    await site.arm(
      'agent',
      ...occurrences.map((occurrence) => ({ activity, occurrence, when: 'before', act: 'fail' }) as const),
    );
    return site.ended((await site.apply(tiers(name))).body.id);
  };
  const living = async (id: string) =>
    (await site.vees(id)).map((v: Json) => `${v.component}/${v.index} ${v.state}`).sort();

  it('completes as ever when nothing fails', async () => {
    const { serviceId } = await site.done(await site.apply(tiers('whole')));
    expect(await living(serviceId)).toHaveLength(5);
  });

  it('gives up a VEE that fails, starts no dependant, and runs with the rest', async () => {
    // The third VEE to be made ready is one of the two of `app`.
    const operation = await failing('awaitReady', [3], 'partly');
    expect(operation).toMatchObject({ state: 'stuck', stuck: { choices: [] }, endedAt: expect.any(Number) });
    expect(operation.notes.map((n: Json) => n.about.split('/')[0]).sort()).toEqual(['app', 'lb']);
    expect(operation.notes.find((n: Json) => n.about === 'lb/0').error.detail).toMatch(/^It was not started/);
    const { serviceId } = operation;
    const service = (await site.get(`/v1/services/${serviceId}`)).body;
    expect(service).toMatchObject({ phase: 'operating', instances: { db: 1, worker: 1, app: 1, lb: 0 } });
    expect(await living(serviceId)).toEqual([
      expect.stringMatching(/^app\/[01] ACTIVE$/),
      'db/0 ACTIVE',
      'worker/0 ACTIVE',
    ]);
    expect((await site.get('/v1/holdings')).body.items).toHaveLength(3);
    expect(await site.violations()).toEqual([]);

    // The same manifest as a re-composition makes good what its bounds ask for.
    const again = await site.send('PUT', `/v1/services/${serviceId}`, { body: tiers('partly') });
    await site.done(again);
    expect(await living(serviceId)).toContain('lb/0 ACTIVE');
  });

  it('is undone as ever when nothing at all starts', async () => {
    const operation = await failing('defineVee', [1, 2], 'nothing');
    expect(operation).toMatchObject({ state: 'undone', error: { code: 'driver-refused' } });
    expect((await site.get(`/v1/services/${operation.serviceId}`)).body.phase).toBe('decommissioned');
  });

  it('is undone as a whole when it is cancelled', async () => {
    await site.arm('agent', { activity: 'awaitReady', occurrence: 4, when: 'before', act: 'hold' });
    const { body } = await site.apply(tiers('cancelled'));
    await site.held('agent');
    await site.post(`/v1/operations/${body.id}/cancel`);
    await site.release('agent');
    expect(await site.ended(body.id)).toMatchObject({ state: 'undone', error: { code: 'cancelled' } });
    expect(await living(body.serviceId)).toEqual([]);
  });
});
