import type { Json } from '../../support/json';
import { manifestOf } from '../../support/manifests';
import { TestSite } from '../../support/site';
import { operating } from '../scenarios';
import { cleaned, copiesOf, expectWhole, retried, veeOf } from './support';

const CAPACITY = { cpuMillis: 16_000, memoryMiB: 16_384, diskMiB: 1_000_000, bandwidthKbps: 1_000_000 };

describe('a region that is down failing an operation which does not need it', () => {
  let site: TestSite;
  let serial = 0;
  const fresh = () => `z${serial++}`;

  beforeAll(async () => {
    site = await TestSite.start({
      agents: ['a', 'b', 'c'].map((zone) => ({
        id: `agent-${zone}`,
        hosts: [
          { id: `host-${zone}1`, driver: 'simulator', zone: `zone-${zone}`, capacity: CAPACITY },
          { id: `host-${zone}2`, driver: 'simulator', zone: `zone-${zone}`, capacity: CAPACITY },
        ],
      })),
      environment: { SLUICE_SUSPECT_MILLIS: '800', SLUICE_LOST_MILLIS: '2000' },
    });
  });
  afterAll(() => site.stop());

  it('with all hosts of one zone lost, everything else is done in the other zones, and waits for nothing', async () => {
    // One component in the zone that goes down, the others apart from it.
    const spread = {
      placement: {
        assignment: [
          { component: 'db', allowHosts: ['host-a1', 'host-a2'] },
          { component: 'app', allowHosts: ['host-c1', 'host-c2'] },
        ],
      },
      topology: {},
    };
    const spreadId = await operating(site, fresh(), spread);
    const elsewhereId = await operating(site, fresh(), {
      placement: {
        assignment: ['db', 'app'].map((component) => ({ component, denyHosts: ['host-c1', 'host-c2'] })),
      },
    });
    const down = site.system.child('agent-c').pid ?? 0;
    process.kill(down, 'SIGSTOP');
    try {
      await site.until('the zone is lost', 15_000, async () => {
        const { body } = await site.get('/v1/hosts');
        const lost = body.items.filter((h: Json) => h.liveness === 'lost').map((h: Json) => h.id);
        return lost.length === 2 ? true : undefined;
      });
      const db = await veeOf(site, spreadId);
      const app = await veeOf(site, elsewhereId, 'app');
      const vee = (id: string, verb: string, body?: unknown) => site.post(`/v1/vees/${id}/${verb}`, body);
      const asked: [string, () => Promise<Json>][] = [
        ['provision', () => site.apply(manifestOf(fresh()))],
        ['scale', () => site.post(`/v1/services/${elsewhereId}/components/app/scale`, { instances: 4 })],
        ['migrate', () => vee(app.id, 'migrate', {})],
        ['pause one of a service that is half down', () => vee(db.id, 'pause')],
        ['resume it', () => vee(db.id, 'resume')],
        ['migrate it', () => vee(db.id, 'migrate', {})],
        ['restart it', () => vee(db.id, 'restart')],
        ['suspend a service', () => site.post(`/v1/services/${elsewhereId}/suspend`)],
        ['resume a service', () => site.post(`/v1/services/${elsewhereId}/resume`)],
        ['delete', () => site.delete(`/v1/services/${elsewhereId}`)],
      ];
      for (const [what, ask] of asked) {
        const operation = await site.ended((await ask()).body.id);
        // Far less than the time for which an operation waits for an agent that is away.
        expect([what, operation.state, operation.endedAt - operation.createdAt < 10_000]).toEqual([
          what,
          'completed',
          true,
        ]);
      }
      for (const placed of await site.all('/v1/vees'))
        if (placed.state !== 'DESTROYED' && placed.serviceId !== spreadId)
          expect(placed.hostId).not.toMatch(/^host-c/);
    } finally {
      process.kill(down, 'SIGCONT');
    }
    await site.until('the zone is back', 15_000, async () => {
      const { body } = await site.get('/v1/hosts');
      return body.items.every((h: Json) => h.liveness === 'up') ? true : undefined;
    });
    await expectWhole(site);
    await cleaned(site);
  }, 120_000);
});

describe('an image removed while a start needs it', () => {
  let site: TestSite;
  let serial = 0;
  const fresh = () => `i${serial++}`;

  beforeAll(async () => {
    site = await TestSite.start();
  });
  afterAll(() => site.stop());
  afterEach(() => cleaned(site));

  const removeImages = () => Promise.all(site.hostIds.map((h) => site.script(h, { images: [] })));
  const restoreImages = () => Promise.all(site.hostIds.map((h) => site.script(h)));

  it.each(['defineVee', 'startVee'])(
    'gone at %s, after it was planned for: the service is undone, says why, and leaves nothing',
    async (activity) => {
      await site.arm('agent', { activity, occurrence: 1, when: 'before', act: 'hold' });
      const { body } = await site.apply(manifestOf(fresh()));
      await site.held('agent');
      await removeImages();
      await site.release('agent');
      const operation = await site.ended(body.id);
      expect([operation.state, operation.error.code]).toEqual(['undone', 'image-unknown']);
      expect(await site.onHosts()).toEqual([]);
      await restoreImages();
      await expectWhole(site);
    },
  );

  it('gone while a scale out starts: those that ran run on, and the count is as before', async () => {
    const serviceId = await operating(site, fresh());
    await site.arm('agent', { activity: 'startVee', occurrence: 1, when: 'before', act: 'hold' });
    const { body } = await site.post(`/v1/services/${serviceId}/components/app/scale`, { instances: 3 });
    await site.held('agent');
    await removeImages();
    await site.release('agent');
    const operation = await site.ended(body.id);
    expect([operation.state, operation.error.code]).toEqual(['undone', 'image-unknown']);
    expect((await site.vees(serviceId)).map((v) => [v.component, v.state]).sort()).toEqual([
      ['app', 'ACTIVE'],
      ['db', 'ACTIVE'],
    ]);
    await restoreImages();
    await expectWhole(site);
  });

  it('gone between a restart’s stop and its start: it waits for an operator, and runs again once it is back', async () => {
    const vee = await veeOf(site, await operating(site, fresh()));
    await site.arm('agent', { activity: 'startVee', occurrence: 1, when: 'before', act: 'hold' });
    const { body } = await site.post(`/v1/vees/${vee.id}/restart`);
    await site.held('agent');
    await removeImages();
    await site.release('agent');
    const stuck = await site.ended(body.id);
    expect([stuck.state, stuck.stuck.step, stuck.stuck.error.code]).toEqual([
      'stuck',
      'stop',
      'image-unknown',
    ]);
    await restoreImages();
    expect((await retried(site, stuck.id)).state).toBe('undone');
    expect(await copiesOf(site, vee.id)).toEqual([{ hostId: vee.hostId, state: 'ACTIVE', epoch: 1 }]);
    await expectWhole(site);
  });
});
