import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';
import { retried } from './cases/support';

const capacity = { cpuMillis: 100, memoryMiB: 64 };

describe('hosts in maintenance', () => {
  let site: TestSite;

  beforeAll(async () => {
    site = await TestSite.start({ hosts: 3 });
  });
  afterAll(() => site.stop());
  afterEach(async () => {
    for (const n of [1, 2, 3]) await site.post(`/v1/hosts/host-${n}/uncordon`);
    const { body } = await site.get('/v1/services?limit=200');
    for (const service of body.items.filter((s: Json) => s.phase !== 'decommissioned'))
      await site.done(await site.delete(`/v1/services/${service.id}`));
  });

  const many = (name: string, instances: number, rest: Json = {}) =>
    manifestOf(name, {
      components: [{ name: 'app', image: 'busybox', capacity, instances: { initial: instances, max: 20 } }],
      topology: {},
      ...rest,
    });
  const on = async (hostId: string) =>
    (await site.get(`/v1/vees?host=${hostId}&limit=200`)).body.items.filter(
      (v: Json) => v.state !== 'DESTROYED',
    );
  const alertsOf = async (operationId: string): Promise<string[]> =>
    (await site.all('/v1/events?alert=true'))
      .filter((e) => e.kind === 'operation.stuck' && e.operationId === operationId)
      .map((e) => e.message);
  const host = async (id: string) => (await site.get(`/v1/hosts/${id}`)).body;

  it('are emptied, stay closed, and get back what left them', async () => {
    const first = await site.done(await site.apply(many('one', 6)));
    await site.done(await site.apply(many('two', 3)));
    const before = (await on('host-1')).map((v: Json) => v.id).sort();
    expect(before.length).toBeGreaterThan(1);

    const plan = await site.post('/v1/hosts/host-1/drain?dryRun=true', {});
    expect(plan.body.steps.filter((s: string) => s.startsWith('migrate'))).toHaveLength(before.length);
    await site.done(await site.post('/v1/hosts/host-1/drain', {}));
    expect(await on('host-1')).toEqual([]);
    expect((await site.onHosts()).filter((v) => v.hostId === 'host-1')).toEqual([]);
    expect(await host('host-1')).toMatchObject({ cordoned: true, maintenance: { drained: true } });
    expect(await site.violations()).toEqual([]);

    // Somebody stops one of them meanwhile, and moves another.
    const [stopped] = before;
    await site.done(await site.post(`/v1/vees/${stopped}/pause`));
    const restored = await site.done(await site.post('/v1/hosts/host-1/restore'));
    expect(restored.notes).toEqual([
      expect.objectContaining({
        veeId: stopped,
        error: expect.objectContaining({ detail: expect.stringContaining('stopped it meanwhile') }),
      }),
    ]);
    expect((await on('host-1')).map((v: Json) => v.id).sort()).toEqual(
      before.filter((id: string) => id !== stopped),
    );
    expect(await host('host-1')).toMatchObject({ cordoned: false });
    expect((await host('host-1')).maintenance).toBeUndefined();
    expect(await site.violations()).toEqual([]);
    expect((await site.get(`/v1/services/${first.serviceId}`)).body.phase).toBe('operating');
  });

  it('are as open as before when a drain is cancelled, and every VEE runs somewhere', async () => {
    await site.done(await site.apply(many('cancelled', 9)));
    await site.arm('agent', { activity: 'prepareTarget', occurrence: 2, when: 'before', act: 'hold' });
    const drain = await site.post('/v1/hosts/host-1/drain', {});
    await site.held('agent');
    expect((await site.post(`/v1/operations/${drain.body.id}/cancel`)).status).toBe(202);
    await site.release('agent');
    expect(await site.ended(drain.body.id)).toMatchObject({ state: 'undone', error: { code: 'cancelled' } });
    expect(await host('host-1')).toMatchObject({ cordoned: false });
    expect((await site.onHosts()).filter((v) => v.state === 'ACTIVE')).toHaveLength(9);
    expect(await site.violations()).toEqual([]);
  });

  it('name what can’t be moved, and take the operator’s choice', async () => {
    const { serviceId } = await site.done(await site.apply(many('held', 3)));
    const [vee] = await on('host-1');
    await site.done(await site.post(`/v1/vees/${vee.id}/pause`));
    const refused = await site.post('/v1/hosts/host-1/drain', {});
    expect(refused).toMatchObject({ status: 409, body: { code: 'drain-incomplete' } });
    expect(refused.body.blocked).toEqual([expect.objectContaining({ veeId: vee.id, service: 'held' })]);

    // To restart it elsewhere takes room elsewhere: that is seen before it begins, too.
    for (const other of ['host-2', 'host-3']) await site.post(`/v1/hosts/${other}/cordon`);
    const nowhere = await site.post('/v1/hosts/host-1/drain', { immovable: 'restart' });
    expect(nowhere).toMatchObject({ status: 409, body: { code: 'drain-incomplete' } });
    const dry = await site.post('/v1/hosts/host-1/drain?dryRun=true', { immovable: 'restart' });
    expect(dry.body).toMatchObject({ feasible: false, why: expect.stringMatching(/can't leave host-1/) });
    expect(dry.body.steps).toContainEqual(expect.stringMatching(/^can't restart elsewhere held\//));
    for (const other of ['host-2', 'host-3']) await site.post(`/v1/hosts/${other}/uncordon`);

    const ignored = await site.done(await site.post('/v1/hosts/host-1/drain', { immovable: 'ignore' }));
    expect(ignored.notes).toEqual([expect.objectContaining({ veeId: vee.id })]);
    await site.done(await site.post('/v1/hosts/host-1/restore'));

    await site.done(await site.post('/v1/hosts/host-1/drain', { immovable: 'restart' }));
    expect(await on('host-1')).toEqual([]);
    expect((await site.vees(serviceId)).map((v: Json) => v.state)).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE']);
    expect(await site.violations()).toEqual([]);
  });

  it('that could not be emptied are once the operator has seen to it, and says so', async () => {
    const { serviceId } = await site.done(await site.apply(many('seen-to', 3)));
    const [vee] = await on('host-1');
    await site.arm('site', { activity: 'beginMaintenance', occurrence: 1, when: 'after', act: 'hold' });
    const drain = await site.post('/v1/hosts/host-1/drain', {});
    await site.held('site');
    await site.done(await site.post(`/v1/vees/${vee.id}/pause`));
    await site.release('site');
    await site.disarm();
    expect(await site.ended(drain.body.id)).toMatchObject({ state: 'stuck', notes: [{ veeId: vee.id }] });
    expect(await alertsOf(drain.body.id)).toEqual([
      expect.stringMatching(/^host\.drain is stuck at move the rest: .* Choices: retry, abort\.$/),
    ]);
    await site.done(await site.post(`/v1/vees/${vee.id}/resume`));
    const ended = await retried(site, drain.body.id);
    expect(ended.state).toBe('completed');
    expect(ended.notes).toBeUndefined();
    expect(await on('host-1')).toEqual([]);
    expect(await host('host-1')).toMatchObject({ maintenance: { drained: true, left: [{ veeId: vee.id }] } });
    await site.done(await site.post('/v1/hosts/host-1/restore'));
    expect((await on('host-1')).map((v: Json) => v.id)).toEqual([vee.id]);
    expect(await site.vees(serviceId)).toHaveLength(3);
    expect(await site.violations()).toEqual([]);
  });

  it('are in maintenance as before when a second drain is cancelled', async () => {
    await site.done(await site.apply(many('twice', 3)));
    const [vee] = await on('host-1');
    await site.done(await site.post('/v1/hosts/host-1/drain', {}));
    await site.arm('site', { activity: 'beginMaintenance', occurrence: 1, when: 'after', act: 'hold' });
    const second = await site.post('/v1/hosts/host-1/drain', {});
    await site.held('site');
    expect((await site.post(`/v1/operations/${second.body.id}/cancel`)).status).toBe(202);
    await site.release('site');
    await site.disarm();
    expect(await site.ended(second.body.id)).toMatchObject({ state: 'undone' });
    expect(await host('host-1')).toMatchObject({
      cordoned: true,
      maintenance: { drained: true, left: [{ veeId: vee.id }] },
    });
    await site.done(await site.post('/v1/hosts/host-1/restore'));
    expect((await on('host-1')).map((v: Json) => v.id)).toEqual([vee.id]);
  });

  it('move what must be together as one', async () => {
    const together = manifestOf('pair', {
      components: ['a', 'b'].map((name) => ({ name, image: 'busybox', capacity })),
      topology: {},
      placement: { affinity: [{ together: ['a', 'b'] }] },
    });
    const { serviceId } = await site.done(await site.apply(together));
    const [{ hostId }] = await site.vees(serviceId);
    await site.done(await site.post(`/v1/hosts/${hostId}/drain`, {}));
    const after = new Set((await site.vees(serviceId)).map((v: Json) => v.hostId));
    expect(after.size).toBe(1);
    expect(after.has(hostId)).toBe(false);
    await site.done(await site.post(`/v1/hosts/${hostId}/restore`));
    expect(await site.violations()).toEqual([]);
  });
});

describe('a group migration', () => {
  let site: TestSite;
  beforeAll(async () => {
    site = await TestSite.start({ hosts: 3, environment: { SLUICE_MIGRATION_STREAM_KBPS: '500000' } });
  });
  afterAll(() => site.stop());

  it('goes back as a whole when one of it can’t be moved, also those that had moved', async () => {
    const { serviceId } = await site.done(await site.apply(manifestOf('group')));
    const places = async () => (await site.vees(serviceId)).map((v: Json) => [v.component, v.hostId]);
    const before = await places();
    await site.arm('agent', { activity: 'switchOver', occurrence: 2, when: 'before', act: 'fail' });
    const operation = await site.ended((await site.post(`/v1/services/${serviceId}/migrate`, {})).body.id);
    expect(operation).toMatchObject({ state: 'undone', error: { code: 'driver-refused' } });
    expect(await places()).toEqual(before);
    expect(await site.violations()).toEqual([]);
    expect((await site.get('/v1/holdings')).body.items).toHaveLength(2);
  });

  it('moves all or none: one that can’t move as it is keeps the others where they are, unless told otherwise', async () => {
    const [{ id: serviceId }] = (await site.get('/v1/services?name=group')).body.items;
    const places = async () => (await site.vees(serviceId)).map((v: Json) => [v.component, v.hostId]);
    const before = await places();
    const [paused] = await site.vees(serviceId);
    await site.done(await site.post(`/v1/vees/${paused.id}/pause`));
    const why = `${paused.component}/${paused.index}: It is PAUSED, and can't migrate so.`;
    const plan = await site.post(`/v1/services/${serviceId}/migrate?dryRun=true`, {});
    expect(plan.body).toMatchObject({ feasible: false, why: expect.stringContaining(why) });
    const refused = await site.ended((await site.post(`/v1/services/${serviceId}/migrate`, {})).body.id);
    expect(refused).toMatchObject({ state: 'undone', error: { code: 'transition-illegal' } });
    expect(refused.error.detail).toContain(why);
    expect(await places()).toEqual(before);
    const some = await site.done(await site.post(`/v1/services/${serviceId}/migrate`, { partial: true }));
    expect(some.notes).toHaveLength(1);
    expect((await places()).filter((p, i) => `${p}` !== `${before[i]}`)).toHaveLength(1);
    await site.done(await site.post(`/v1/vees/${paused.id}/resume`));
  });

  it('is refused, or stills its VEEs, when its deadline can’t be met', async () => {
    const [{ id: serviceId }] = (await site.get('/v1/services?name=group')).body.items;
    const migrate = (body: Json, dryRun = false) =>
      site.post(`/v1/services/${serviceId}/migrate?dryRun=${dryRun}`, body);
    const plan = await migrate({}, true);
    expect(plan.body.estimatedMillis).toBeGreaterThan(1_000);
    const refused = await site.ended((await migrate({ deadlineMillis: 500 })).body.id);
    expect(refused).toMatchObject({ state: 'undone', error: { code: 'deadline-unmeetable' } });
    const deadlineMillis = plan.body.estimatedMillis - 50;
    expect((await migrate({ deadlineMillis, onDeadline: 'escalate' }, true)).body.steps[0]).toContain(
      'stop-and-copy',
    );
    await site.done(await migrate({ deadlineMillis, onDeadline: 'escalate' }));
    expect(await site.violations()).toEqual([]);
  });
});
