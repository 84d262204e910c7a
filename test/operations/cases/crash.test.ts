import { manifestOf } from '../../support/manifests';
import { TestSite } from '../../support/site';
import { operating } from '../scenarios';
import { cleaned, expectWhole } from './support';

/** Every process of ours, the engines apart: those are killed in test/crash. */
const PROCESSES = ['site', 'agent', 'api'];

describe('a crash', () => {
  let site: TestSite;
  let serial = 0;

  beforeAll(async () => {
    site = await TestSite.start();
  });
  afterAll(() => site.stop());
  afterEach(() => cleaned(site));

  const scale = (serviceId: string, instances: number) =>
    site.post(`/v1/services/${serviceId}/components/app/scale`, { instances });
  const killAll = () => {
    for (const name of PROCESSES) process.kill(site.system.child(name).pid ?? 0, 'SIGKILL');
  };

  describe('a scale stuck “in progress” after a crash', () => {
    it.each([
      ['out', 1, 3, 'startVee'],
      ['in', 3, 1, 'destroyVee'],
    ] as const)(
      'scaling %s from %i to %i, all processes killed at %s: it ends, and the next one begins at once',
      async (_direction, from, to, activity) => {
        const serviceId = await operating(site, `c${serial++}`, {
          components: [
            { name: 'db', image: 'busybox', capacity: { cpuMillis: 100, memoryMiB: 64 } },
            {
              name: 'app',
              image: 'busybox',
              capacity: { cpuMillis: 100, memoryMiB: 64 },
              instances: { min: 1, initial: from, max: 5 },
            },
          ],
        });
        await site.arm('agent', { activity, occurrence: 1, when: 'before', act: 'hold' });
        const { body } = await scale(serviceId, to);
        await site.held('agent');
        killAll();
        await site.release('agent');
        expect((await site.ended(body.id)).state).toBe('completed');
        const next = await site.until('the API answers', 10_000, () =>
          scale(serviceId, 2).catch(() => undefined),
        );
        await site.done(next);
        expect((await site.get(`/v1/services/${serviceId}`)).body.instances.app).toBe(2);
        expect((await site.vees(serviceId)).filter((v) => v.component === 'app')).toHaveLength(2);
        await expectWhole(site);
      },
    );

    it('a scale that fails on its hosts is undone, and the next one begins at once', async () => {
      const serviceId = await operating(site, `c${serial++}`);
      for (const hostId of site.hostIds)
        await site.script(hostId, {
          faults: [{ verb: 'start', call: 0, when: 'before', do: 'fail', code: 'driver-refused' }],
        });
      const failed = await site.ended((await scale(serviceId, 3)).body.id);
      expect([failed.state, failed.error.code]).toEqual(['undone', 'driver-refused']);
      expect((await site.get(`/v1/services/${serviceId}`)).body.instances.app).toBe(1);
      for (const hostId of site.hostIds) await site.script(hostId);
      await site.done(await scale(serviceId, 3));
      await expectWhole(site);
    });
  });

  it('a service whose provisioning was cut short by a crash is no dead end', async () => {
    await site.arm('agent', { activity: 'startVee', occurrence: 2, when: 'after', act: 'hold' });
    const { body } = await site.apply(manifestOf(`c${serial++}`));
    await site.held('agent');
    killAll();
    await site.release('agent');
    expect((await site.ended(body.id)).state).toBe('completed');
    await expectWhole(site);
  });
});
