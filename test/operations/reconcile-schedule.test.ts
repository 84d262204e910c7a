import { setTimeout as delay } from 'node:timers/promises';
import type { Json } from '../support/json';
import { SimulatedHosts } from '../support/simulated-hosts';
import { TestSite } from '../support/site';
import { operating } from './scenarios';

describe('reconciliation on a schedule', () => {
  let site: TestSite;
  let hosts: SimulatedHosts;
  const kinds = async (subject: string): Promise<string[]> =>
    (await site.get(`/v1/events?subject=${subject}&limit=200`)).body.items.map((e: Json) => e.kind);
  const reconciliations = async (): Promise<Json[]> =>
    (await site.get('/v1/operations?kind=site.reconcile&limit=200')).body.items;
  const app = async (serviceId: string): Promise<Json> =>
    (await site.vees(serviceId)).find((v: Json) => v.component === 'app');

  beforeAll(async () => {
    site = await TestSite.start({
      agents: [
        { id: 'agent-1', hosts: [{ id: 'host-1', driver: 'simulator' }] },
        { id: 'agent-2', hosts: [{ id: 'host-2', driver: 'simulator' }] },
      ],
      environment: { SLUICE_RECONCILE_MILLIS: '1000', SLUICE_ORPHAN_GRACE_MILLIS: '500' },
    });
    hosts = new SimulatedHosts(site);
  });
  afterAll(() => site.stop());

  it('starts again what has ended by itself, and records no operation while nothing differs', async () => {
    const serviceId = await operating(site, 'shop');
    await delay(2_500);
    expect(await reconciliations()).toEqual([]);
    const vee = await app(serviceId);
    await hosts.become(vee.hostId, vee.id, 'EXITED');
    await site.until('it runs again', 15_000, async () =>
      (await kinds(vee.id)).includes('drift.mended') ? true : undefined,
    );
    expect((await hosts.kept(vee.hostId, vee.id)).state).toBe('ACTIVE');
    await site.until('it is over', 10_000, async () =>
      (await reconciliations())[0]?.endedAt ? true : undefined,
    );
    expect(await reconciliations()).toMatchObject([{ state: 'completed', requestedBy: 'site' }]);
    await delay(2_500);
    expect(await reconciliations()).toHaveLength(1);
    await site.done(await site.delete(`/v1/services/${serviceId}`));
  });

  it('does not start for ever what keeps ending', async () => {
    const serviceId = await operating(site, 'looping');
    const vee = await app(serviceId);
    await site.until('it is told', 60_000, async () => {
      if ((await hosts.kept(vee.hostId, vee.id)).state === 'ACTIVE')
        await hosts.become(vee.hostId, vee.id, 'EXITED');
      return (await kinds(vee.id)).includes('vee.crash-loop') ? true : undefined;
    });
    await delay(2_500);
    const mends = (await site.get(`/v1/operations?vee=${vee.id}&kind=vee.mend`)).body.items;
    expect(mends).toHaveLength(5);
    expect((await kinds(vee.id)).filter((k) => k === 'vee.crash-loop')).toHaveLength(1);
    expect((await site.get('/v1/drift')).body.items).toMatchObject([{ veeId: vee.id, action: 'report' }]);
    await site.done(await site.delete(`/v1/services/${serviceId}`));
  }, 90_000);

  it('Orphans after a deletion during a partition: a copy that nobody could reach is ended when its host is back', async () => {
    await site.post('/v1/hosts/host-2/cordon');
    const serviceId = await operating(site, 'deleted');
    await site.post('/v1/hosts/host-2/uncordon');
    const vee = await app(serviceId);
    // A migration to the other host fails there, and can't be taken back there either: it is given up.
    await site.arm(
      'agent-2',
      { activity: 'switchOver', occurrence: 1, when: 'before', act: 'fail' },
      { activity: 'cancelMigration', occurrence: 1, when: 'before', act: 'fail' },
    );
    const { body } = await site.post(`/v1/vees/${vee.id}/migrate`, {});
    expect((await site.ended(body.id)).state).toBe('stuck');
    const pid = site.system.child('agent-2').pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    try {
      await site.post(`/v1/operations/${body.id}/abort`);
      await site.until('it is given up', 10_000, async () =>
        (await site.get(`/v1/operations/${body.id}`)).body.endedAt ? true : undefined,
      );
      await site.done(await site.delete(`/v1/services/${serviceId}`));
      expect(await site.onHosts()).toMatchObject([{ hostId: 'host-2', veeId: vee.id, state: 'INCOMING' }]);
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await site.until('it is ended', 20_000, async () =>
      (await site.onHosts()).length === 0 ? true : undefined,
    );
    await site.until('it is told', 10_000, async () =>
      (await kinds(vee.id)).includes('drift.mended') ? true : undefined,
    );
    expect((await site.get('/v1/holdings')).body.items).toEqual([]);
    expect(await site.violations()).toEqual([]);
  }, 90_000);

  it('goes on by itself when the site worker was killed while it looked', async () => {
    const serviceId = await operating(site, 'killed');
    const vee = await app(serviceId);
    await site.arm('site', { activity: 'askForMending', occurrence: 1, when: 'before', act: 'kill' });
    await hosts.become(vee.hostId, vee.id, 'EXITED');
    await site.until('it runs again', 30_000, async () =>
      (await hosts.kept(vee.hostId, vee.id)).state === 'ACTIVE' ? true : undefined,
    );
    expect(site.wasStruck('site')).toBe(true);
    await site.until('the reconciliation is over', 20_000, async () =>
      (await reconciliations()).every((o) => o.endedAt) ? true : undefined,
    );
    await site.done(await site.delete(`/v1/services/${serviceId}`));
    expect(await site.violations()).toEqual([]);
  }, 90_000);
});
