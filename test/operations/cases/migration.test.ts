import { DoubleWatch } from '../../support/double-watch';
import type { Json } from '../../support/json';
import type { TestSite } from '../../support/site';
import { operating } from '../scenarios';
import { cleaned, copiesOf, expectWhole, impatientSite, retried, veeOf } from './support';

const REFUSED = { do: 'fail', code: 'driver-refused' } as const;

describe('a migration', () => {
  let site: TestSite;
  let serial = 0;

  beforeAll(async () => {
    site = await impatientSite();
  });
  afterAll(() => site.stop());
  afterEach(() => cleaned(site));

  /** A VEE, and what is asked of it. */
  async function migration(): Promise<{ vee: Json; target: string; start: () => Promise<Json> }> {
    const vee = await veeOf(site, await operating(site, `m${serial++}`));
    const target = site.hostIds.find((h) => h !== vee.hostId) ?? '';
    const start = async () => (await site.post(`/v1/vees/${vee.id}/migrate`, { toHost: target })).body;
    return { vee, target, start };
  }

  describe('reported failed that had in fact succeeded', () => {
    it('no second copy may start: the target’s is gone before the source’s goes on', async () => {
      const { vee, target, start } = await migration();
      await site.script(target, { faults: [{ verb: 'switchOver', call: 0, when: 'after', ...REFUSED }] });
      const hold = { activity: 'cancelMigration', when: 'before', act: 'hold' } as const;
      await site.arm('agent', { ...hold, occurrence: 1 }, { ...hold, occurrence: 2 });
      const doubles = new DoubleWatch(site.dataDir);
      const { id } = await start();

      await site.held('agent');
      expect(await copiesOf(site, vee.id)).toEqual(
        expect.arrayContaining([
          { hostId: target, state: 'ACTIVE', epoch: 2 },
          { hostId: vee.hostId, state: 'OUTGOING', epoch: 1 },
        ]),
      );
      await site.release('agent');
      await site.until('the undo of the source’s side begins', 10_000, async () =>
        site.wasStruck('agent') ? true : undefined,
      );
      await site.held('agent');
      expect(await copiesOf(site, vee.id)).toEqual([{ hostId: vee.hostId, state: 'OUTGOING', epoch: 1 }]);
      await site.release('agent');

      expect((await site.ended(id)).state).toBe('undone');
      expect(await doubles.stop()).toEqual([]);
      expect(await copiesOf(site, vee.id)).toEqual([{ hostId: vee.hostId, state: 'ACTIVE', epoch: 1 }]);
      await expectWhole(site);
    });

    it('no second copy may start: neither when the target only says that its copy is gone', async () => {
      const { vee, target, start } = await migration();
      await site.script(target, {
        faults: [
          { verb: 'switchOver', call: 0, when: 'after', ...REFUSED },
          { verb: 'cancel', call: 0, when: 'before', do: 'lie' },
        ],
      });
      const doubles = new DoubleWatch(site.dataDir);
      const { id } = await start();
      const stuck = await site.ended(id);
      expect(stuck).toMatchObject({
        state: 'stuck',
        stuck: { step: 'switch over', direction: 'undo', error: { code: 'driver-failed' } },
      });
      expect(await copiesOf(site, vee.id)).toEqual(
        expect.arrayContaining([
          { hostId: target, state: 'ACTIVE', epoch: 2 },
          { hostId: vee.hostId, state: 'OUTGOING', epoch: 1 },
        ]),
      );
      await site.script(target);
      expect((await retried(site, id)).state).toBe('undone');
      expect(await doubles.stop()).toEqual([]);
      expect(await copiesOf(site, vee.id)).toEqual([{ hostId: vee.hostId, state: 'ACTIVE', epoch: 1 }]);
      await expectWhole(site);
    });
  });

  describe('that fails: the wrong host recorded after a failed move', () => {
    it.each(
      ['prepareTarget', 'send', 'switchOver'].flatMap((verb) =>
        (['before', 'after'] as const).map((when) => [verb, when] as const),
      ),
    )('%s fails %s its effect: it is recorded where it runs, on the source', async (verb, when) => {
      const { vee, target, start } = await migration();
      const at = verb === 'send' ? vee.hostId : target;
      await site.script(at, { faults: [{ verb, call: 0, when, ...REFUSED }] });
      expect((await site.ended((await start()).id)).state).toBe('undone');
      const after = (await site.get(`/v1/vees/${vee.id}`)).body;
      expect([after.hostId, after.epoch, after.state]).toEqual([vee.hostId, vee.epoch, 'ACTIVE']);
      await expectWhole(site);
    });

    it('its source fails after the switch: it is recorded where it runs, on the target', async () => {
      const { vee, target, start } = await migration();
      await site.script(vee.hostId, { faults: [{ verb: 'finish', call: 0, when: 'before', ...REFUSED }] });
      const stuck = await site.ended((await start()).id);
      expect([stuck.state, stuck.stuck.step]).toEqual(['stuck', 'finish source']);
      const after = (await site.get(`/v1/vees/${vee.id}`)).body;
      expect([after.hostId, after.epoch, after.state]).toEqual([target, vee.epoch + 1, 'ACTIVE']);
      await site.script(vee.hostId);
      expect((await retried(site, stuck.id)).state).toBe('completed');
      await expectWhole(site);
    });
  });

  describe('that leaves its reservation on both hosts', () => {
    const holders = async (veeId: string) =>
      (await site.get('/v1/holdings')).body.items
        .filter((r: Json) => r.veeId === veeId)
        .map((r: Json) => r.hostId);

    it('one that completes leaves it on the target alone', async () => {
      const { vee, target, start } = await migration();
      expect((await site.ended((await start()).id)).state).toBe('completed');
      expect(await holders(vee.id)).toEqual([target]);
    });

    it('one whose agent and site are killed as it gives the source’s back leaves it on the target alone', async () => {
      const { vee, target, start } = await migration();
      await site.arm('agent', { activity: 'finishMigration', occurrence: 1, when: 'after', act: 'kill' });
      await site.arm('site', { activity: 'releaseReservation', occurrence: 1, when: 'after', act: 'kill' });
      expect((await site.ended((await start()).id)).state).toBe('completed');
      expect([site.wasStruck('agent'), site.wasStruck('site')]).toEqual([true, true]);
      expect(await holders(vee.id)).toEqual([target]);
      await expectWhole(site);
    });

    it('one that fails leaves it on the source alone', async () => {
      const { vee, target, start } = await migration();
      await site.script(target, { faults: [{ verb: 'switchOver', call: 0, when: 'before', ...REFUSED }] });
      expect((await site.ended((await start()).id)).state).toBe('undone');
      expect(await holders(vee.id)).toEqual([vee.hostId]);
    });

    it('one that is cancelled on its way leaves it on the source alone', async () => {
      const { vee, start } = await migration();
      await site.arm('agent', { activity: 'sendVee', occurrence: 1, when: 'before', act: 'hold' });
      const { id } = await start();
      await site.held('agent');
      expect((await site.post(`/v1/operations/${id}/cancel`)).status).toBe(202);
      expect((await holders(vee.id)).length).toBe(2);
      await site.release('agent');
      expect((await site.ended(id)).state).toBe('undone');
      expect(await holders(vee.id)).toEqual([vee.hostId]);
      await expectWhole(site);
    });
  });
});
