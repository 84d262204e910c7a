import { setTimeout as delay } from 'node:timers/promises';
import type { DriverState } from '../../drivers/contract';
import type { Json } from '../support/json';
import { SimulatedHosts } from '../support/simulated-hosts';
import { TestSite } from '../support/site';
import { operating } from './scenarios';

/** Every host has reported since. */
const HEARD_MILLIS = 600;

describe('reconciliation, asked for by an operator', () => {
  let site: TestSite;
  let hosts: SimulatedHosts;
  let serviceId: string;
  const app = async (): Promise<Json> =>
    (await site.vees(serviceId)).find((v: Json) => v.component === 'app');
  const reconcile = async (body: Json = {}): Promise<Json> => {
    await delay(HEARD_MILLIS);
    return site.done(await site.post('/v1/reconcile', body));
  };
  const dryRun = async (body: Json = {}): Promise<Json> =>
    (await site.post('/v1/reconcile?dryRun=true', body)).body;
  const drift = async (query = ''): Promise<Json[]> => (await site.get(`/v1/drift${query}`)).body.items;
  const kinds = async (subject: string): Promise<string[]> =>
    (await site.get(`/v1/events?subject=${subject}&limit=200`)).body.items.map((e: Json) => e.kind);
  const children = async (operation: Json): Promise<string[]> =>
    (await site.get(`/v1/operations?parent=${operation.id}`)).body.items.map(
      (o: Json) => `${o.kind} ${o.state}`,
    );
  const stateOnHost = async (vee: Json) => (await hosts.kept(vee.hostId, vee.id)).state;

  beforeAll(async () => {
    site = await TestSite.start({ environment: { SLUICE_ORPHAN_GRACE_MILLIS: '400' } });
    hosts = new SimulatedHosts(site);
  });
  afterAll(() => site.stop());
  beforeEach(async () => {
    serviceId = await operating(site, 'shop');
  });
  afterEach(async () => {
    await site.done(await site.delete(`/v1/services/${serviceId}`));
    expect(await site.onHosts()).toEqual([]);
    expect((await site.get('/v1/holdings')).body.items).toEqual([]);
    expect(await site.violations()).toEqual([]);
  });

  it('does nothing where nothing differs', async () => {
    const operation = await reconcile();
    expect(operation.steps.map((s: Json) => s.name)).toEqual(['look']);
    expect(await children(operation)).toEqual([]);
    expect(await drift()).toEqual([]);
  });

  it('brings each state back to what is recorded, once, and tells what it found and mended', async () => {
    const wrong: [DriverState, string][] = [
      ['EXITED', 'start'],
      ['DEFINED', 'start'],
      ['PAUSED', 'resume'],
      ['SUSPENDED', 'restore'],
      ['OUTGOING', 'take-back'],
    ];
    for (const [state, verb] of wrong) {
      const vee = await app();
      await hosts.become(vee.hostId, vee.id, state);
      const operation = await reconcile();
      expect([state, operation.steps.map((s: Json) => s.name)]).toEqual([
        state,
        ['look', `${verb} app/0`, 'close app/0'],
      ]);
      expect([state, await children(operation)]).toEqual([state, ['vee.mend completed']]);
      expect([state, await stateOnHost(vee)]).toEqual([state, 'ACTIVE']);
      expect((await app()).epoch).toBe(1);
      expect([state, await children(await reconcile())]).toEqual([state, []]);
      if (state !== 'EXITED') continue;
      expect(await drift()).toEqual([]);
      expect(await drift('?all=true')).toMatchObject([
        { id: `wrong-state/${vee.id}/${vee.hostId}`, action: 'start', mendedAt: expect.any(Number) },
      ]);
      expect((await kinds(vee.id)).slice(0, 4).sort()).toEqual([
        'drift.found',
        'drift.mended',
        'vee.exited',
        'vee.mended',
      ]);
    }
    // A sixth time within the hour is too often: from then on it is only told.
    const vee = await app();
    await hosts.become(vee.hostId, vee.id, 'EXITED');
    expect(await children(await reconcile())).toEqual([]);
    expect(await drift()).toMatchObject([{ veeId: vee.id, action: 'report' }]);
    expect((await kinds(vee.id)).filter((k) => k === 'vee.crash-loop')).toHaveLength(1);
    await site.done(await site.post(`/v1/vees/${vee.id}/restart`));
  });

  it('lets a target run whose migration was recorded, though its host only said that it had switched over', async () => {
    const vee = await app();
    await hosts.become(vee.hostId, vee.id, 'INCOMING');
    expect((await reconcile()).steps.map((s: Json) => s.name)).toContain('switch-over app/0');
    expect(await stateOnHost(vee)).toBe('ACTIVE');
  });

  it('stills again what runs although it was stilled', async () => {
    for (const verb of ['pause', 'suspend']) {
      const vee = await app();
      await site.done(await site.post(`/v1/vees/${vee.id}/${verb}`));
      await hosts.become(vee.hostId, vee.id, 'ACTIVE');
      const [name] = (await reconcile()).steps.slice(1).map((s: Json) => s.name);
      expect(name).toBe(`${verb} app/0`);
      expect(await stateOnHost(vee)).toBe(verb === 'pause' ? 'PAUSED' : 'SUSPENDED');
      await site.done(await site.post(`/v1/vees/${vee.id}/${verb === 'pause' ? 'resume' : 'restore'}`));
    }
  });

  it('makes anew what its host has no trace of, under a new epoch', async () => {
    const vee = await app();
    await hosts.lose(vee.hostId, vee.id);
    const operation = await reconcile();
    expect(await children(operation)).toEqual(['service.relocate completed']);
    const anew = await app();
    expect(anew).toMatchObject({ id: vee.id, state: 'ACTIVE', epoch: 2 });
    expect(await stateOnHost(anew)).toBe('ACTIVE');
    expect(await children(await reconcile())).toEqual([]);
    expect(await site.violations()).toEqual([]);
  });

  it('gives back the size that is recorded', async () => {
    const vee = await app();
    const kept = await hosts.kept(vee.hostId, vee.id);
    const { template } = kept.spec;
    const capacity = { ...template.capacity, memoryMiB: 1 };
    await hosts.put(vee.hostId, { ...kept, spec: { ...kept.spec, template: { ...template, capacity } } });
    const operation = await reconcile();
    expect(operation.steps.map((s: Json) => s.name)).toContain('resize app/0');
    expect((await hosts.kept(vee.hostId, vee.id)).spec.template.capacity).toEqual(template.capacity);
    expect(await children(await reconcile())).toEqual([]);
  });

  it('ends a copy that nothing is recorded of, once it was seen for long enough, and lets none of its epoch back', async () => {
    const vee = await app();
    const kept = await hosts.kept(vee.hostId, vee.id);
    const ghost = 'vee-0123456789abcdef01234567' as Json;
    await hosts.put('host-1', { state: 'ACTIVE', spec: { ...kept.spec, veeId: ghost, epoch: 7 } });
    expect((await reconcile()).steps.map((s: Json) => s.name)).toEqual(['look']);
    expect(await drift()).toMatchObject([{ kind: 'extra', veeId: ghost, action: 'wait' }]);
    const operation = await reconcile();
    expect(operation.steps.map((s: Json) => [s.name, s.state])).toEqual(
      ['look', `confirm ${ghost}`, `end ${ghost}`, `release ${ghost}`, `close ${ghost}`].map((n) => [
        n,
        'done',
      ]),
    );
    expect(hosts.has('host-1', ghost)).toBe(false);
    expect((await reconcile()).steps).toHaveLength(1);
    expect(await drift()).toEqual([]);
    expect((await kinds(ghost)).sort()).toEqual(['drift.found', 'drift.mended']);
  });

  it('shows in a dry run what differs and what it would do, and changes and remembers nothing', async () => {
    const vee = await app();
    await hosts.become(vee.hostId, vee.id, 'EXITED');
    await delay(HEARD_MILLIS);
    const count = async () => (await site.get('/v1/operations?limit=200')).body.items.length;
    const [before, seen] = [await count(), await drift('?all=true')];
    const plan = await dryRun();
    expect(plan).toMatchObject({
      dryRun: true,
      operation: 'site.reconcile',
      steps: [`start app/0 on ${vee.hostId}: wrong-state, recorded ACTIVE, reported EXITED`],
      findings: [{ kind: 'wrong-state', veeId: vee.id, action: 'start' }],
      skipped: [],
    });
    expect((await dryRun({ kinds: ['extra'] })).steps).toEqual([]);
    expect((await dryRun({ hostId: vee.hostId })).steps).toHaveLength(1);
    expect([await count(), await drift('?all=true')]).toEqual([before, seen]);
    expect(await stateOnHost(vee)).toBe('EXITED');
    // Asked to report only, it remembers what it found, and does nothing about it.
    expect(await children(await reconcile({ report: true }))).toEqual([]);
    expect(await drift()).toMatchObject([{ veeId: vee.id, action: 'start', attempts: [] }]);
    expect(await children(await reconcile({ kinds: ['missing'] }))).toEqual([]);
    expect(await children(await reconcile())).toEqual(['vee.mend completed']);
  });

  it('refuses a host or a kind that does not exist', async () => {
    expect((await site.post('/v1/reconcile', { hostId: 'nowhere' })).body.code).toBe('not-found');
    expect((await site.post('/v1/reconcile', { kinds: ['odd'] })).body.code).toBe('request-invalid');
  });

  it('leaves alone what an operation under way may explain, and says which', async () => {
    const vee = await app();
    await site.arm('agent', { activity: 'stopVee', occurrence: 1, when: 'after', act: 'hold' });
    const restart = await site.post(`/v1/vees/${vee.id}/restart`);
    await site.held('agent');
    await delay(HEARD_MILLIS);
    const plan = await dryRun();
    expect([plan.findings, plan.skipped.length]).toEqual([[], 1]);
    expect(plan.skipped[0].because).toContain(`vee.restart ${restart.body.id} is under way`);
    expect(await children(await reconcile())).toEqual([]);
    await site.release('agent');
    expect((await site.ended(restart.body.id)).state).toBe('completed');
  });

  it('notes what it could not mend, and finds it again', async () => {
    const vee = await app();
    await hosts.become(vee.hostId, vee.id, 'EXITED');
    await site.arm('agent', { activity: 'startVee', occurrence: 1, when: 'before', act: 'fail' });
    const operation = await reconcile();
    expect(operation.notes).toMatchObject([{ about: 'app/0', error: { code: 'driver-refused' } }]);
    expect(await children(operation)).toEqual(['vee.mend undone']);
    expect(await drift()).toMatchObject([{ veeId: vee.id, attempts: [operation.id] }]);
    expect(await children(await reconcile())).toEqual(['vee.mend completed']);
    expect(await drift()).toEqual([]);
  });

  describe('after a migration that was given up', () => {
    const given = async (...faults: Parameters<TestSite['arm']>[1][]): Promise<Json> => {
      const vee = await app();
      for (const role of ['agent', 'site']) {
        const of = faults.filter((f) => (f.activity === 'commitMove' ? 'site' : 'agent') === role);
        if (of.length > 0) await site.arm(role, ...of);
      }
      const { body } = await site.post(`/v1/vees/${vee.id}/migrate`, {});
      expect((await site.ended(body.id)).state).toBe('stuck');
      await site.post(`/v1/operations/${body.id}/abort`);
      await site.until('it is given up', 10_000, async () =>
        (await site.get(`/v1/operations/${body.id}`)).body.endedAt ? true : undefined,
      );
      return vee;
    };
    const once = (activity: string) => ({ activity, occurrence: 1, when: 'before', act: 'fail' }) as const;

    it('The wrong host recorded after a failed move: what runs is recorded, and nothing is started', async () => {
      const vee = await given(once('commitMove'));
      expect(await app()).toMatchObject({ hostId: vee.hostId, epoch: 1 });
      const operation = await reconcile();
      expect(await children(operation)).toEqual(['vee.adopt completed']);
      const moved = await app();
      expect(moved).toMatchObject({ state: 'ACTIVE', epoch: 2, transition: null });
      expect(moved.hostId).not.toBe(vee.hostId);
      expect(await stateOnHost(moved)).toBe('ACTIVE');
      expect(hosts.has(vee.hostId, vee.id)).toBe(false);
      const held = (await site.get('/v1/holdings')).body.items.filter((r: Json) => r.veeId === vee.id);
      expect(held.map((r: Json) => r.hostId)).toEqual([moved.hostId]);
      expect(await children(await reconcile())).toEqual([]);
      expect(await site.violations()).toEqual([]);
    });

    it('A migration that leaves its reservation on both hosts: the target is cleared, then the source taken back', async () => {
      const vee = await given(once('switchOver'), once('cancelMigration'));
      const onHosts = async () =>
        (await site.onHosts()).filter((v) => v.veeId === vee.id).map((v) => v.state);
      expect((await onHosts()).sort()).toEqual(['INCOMING', 'OUTGOING']);
      await reconcile();
      expect(await onHosts()).toEqual(['OUTGOING']);
      const held = (await site.get('/v1/holdings')).body.items.filter((r: Json) => r.veeId === vee.id);
      expect(held.map((r: Json) => r.hostId)).toEqual([vee.hostId]);
      expect(await children(await reconcile())).toEqual(['vee.mend completed']);
      expect(await onHosts()).toEqual(['ACTIVE']);
      expect(await app()).toMatchObject({ hostId: vee.hostId, epoch: 1, state: 'ACTIVE' });
      expect(await children(await reconcile())).toEqual([]);
      expect(await site.violations()).toEqual([]);
    });
  });
});
