import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite, type TestSiteOptions } from '../support/site';

const capacity = { cpuMillis: 100, memoryMiB: 64 };
const roomy = { cpuMillis: 16_000, memoryMiB: 16_384, diskMiB: 1_000_000, bandwidthKbps: 1_000_000 };
const hostsOf = (...ids: string[]) => ids.map((id) => ({ id, driver: 'simulator', capacity: roomy }));
const agents: NonNullable<TestSiteOptions['agents']> = [
  { id: 'mute', hosts: hostsOf('host-1') },
  { id: 'agent', hosts: hostsOf('host-2', 'host-3') },
];
const MUTE = 'host-1';

const app = (name: string, instances: number, rest: Json = {}) =>
  manifestOf(name, {
    components: [{ name: 'app', image: 'busybox', capacity, instances: { initial: instances, max: 20 } }],
    topology: {},
    ...rest,
  });

/** A host whose agent is frozen: alive, for all that anybody knows, and not heard. */
describe('with a host that is not heard for a while', () => {
  let site: TestSite;
  let serial = 0;
  const fresh = () => `u${serial++}`;

  beforeAll(async () => {
    site = await TestSite.start({
      agents,
      environment: {
        SLUICE_SUSPECT_MILLIS: '800',
        SLUICE_LOST_MILLIS: '6000',
        SLUICE_ATTEMPT_MILLIS: '800',
        SLUICE_GIVE_UP_MILLIS: '1500',
        SLUICE_UNDO_GIVE_UP_MILLIS: '1500',
      },
    });
  });
  afterAll(() => site.stop());
  afterEach(async () => {
    signal('SIGCONT');
    await site.disarm();
    await liveness('up');
    expect(await site.clean()).toEqual([]);
    expect(await site.violations()).toEqual([]);
  });

  const signal = (name: NodeJS.Signals) => process.kill(site.system.child('mute').pid ?? 0, name);
  const liveness = (state: string) =>
    site.until(`${MUTE} is ${state}`, 20_000, async () =>
      (await site.get(`/v1/hosts/${MUTE}`)).body.liveness === state ? true : undefined,
    );
  const operation = async (id: string): Promise<Json> => (await site.get(`/v1/operations/${id}`)).body;
  const cordon = (hosts: readonly string[], verb: 'cordon' | 'uncordon' = 'cordon') =>
    Promise.all(hosts.map((h) => site.post(`/v1/hosts/${h}/${verb}`)));
  /** All on that host. */
  async function running(manifest: Json, hostId: string): Promise<string> {
    const others = site.hostIds.filter((h) => h !== hostId);
    await cordon(others);
    const { serviceId } = await site.done(await site.apply(manifest));
    await cordon(others, 'uncordon');
    return serviceId;
  }

  it('a drain is not complete before that host has said so', async () => {
    signal('SIGSTOP');
    await liveness('suspect');
    const { body } = await site.post(`/v1/hosts/${MUTE}/drain`, {});
    await site.until('it verifies', 5_000, async () =>
      (await operation(body.id)).steps.some((s: Json) => s.name === 'verify') ? true : undefined,
    );
    await new Promise((r) => setTimeout(r, 1_500));
    expect(await operation(body.id)).toMatchObject({ state: 'running' });
    expect((await site.get(`/v1/hosts/${MUTE}`)).body.maintenance.drained).toBe(false);
    signal('SIGCONT');
    expect((await site.ended(body.id)).state).toBe('completed');
  });

  it('what only that host would have room for waits until it is up, rather than end undone', async () => {
    const kept = fresh();
    const serviceId = await running(app(kept, 1), 'host-2');
    await cordon(['host-3']);
    signal('SIGSTOP');
    await liveness('suspect');
    const drain = (await site.post('/v1/hosts/host-2/drain', { immovable: 'ignore' })).body;
    await cordon(['host-2']);
    const { body: plan } = await site.post('/v1/services?tenant=acme&dryRun=true', app(fresh(), 1));
    expect(plan).toMatchObject({
      feasible: false,
      why: expect.stringContaining('It depends on host-1'),
    });
    const provision = (await site.apply(app(fresh(), 1))).body;
    await site.until('both plan', 5_000, async () => {
      const parts = (await site.get(`/v1/operations?parent=${drain.id}`)).body.items;
      const all = await Promise.all([provision.id, ...parts.map((p: Json) => p.id)].map(operation));
      return all.length === 2 && all.every((o) => o.steps.at(-1)?.name === 'plan') ? true : undefined;
    });
    await new Promise((r) => setTimeout(r, 1_000));
    signal('SIGCONT');
    expect((await site.ended(drain.id)).state).toBe('completed');
    expect((await site.ended(provision.id)).state).toBe('completed');
    expect((await site.vees(serviceId)).map((v) => v.hostId)).toEqual([MUTE]);
    await site.done(await site.post('/v1/hosts/host-2/restore'));
    await cordon(['host-2', 'host-3'], 'uncordon');
  });

  it('a cancel that was accepted while the drain looked for the last time opens the host again', async () => {
    const [name = ''] = await site.arm('site', {
      activity: 'verifyDrained',
      occurrence: 1,
      when: 'after',
      act: 'hold',
    });
    const { body } = await site.post(`/v1/hosts/${MUTE}/drain`, {});
    await site.held('site');
    expect((await site.post(`/v1/operations/${body.id}/cancel`)).status).toBe(202);
    await site.faults.release('site', name);
    expect(await site.ended(body.id)).toMatchObject({ state: 'undone', error: { code: 'cancelled' } });
    const { cordoned, maintenance } = (await site.get(`/v1/hosts/${MUTE}`)).body;
    expect([cordoned, maintenance]).toEqual([false, undefined]);
  });

  it('the way back of a VEE that had moved can be tried again', async () => {
    const serviceId = await running(app(fresh(), 2), MUTE);
    // The second is about to leave when the first has left.
    const [name = ''] = await site.arm('mute', {
      activity: 'finishMigration',
      occurrence: 1,
      when: 'after',
      act: 'hold',
    });
    const { body } = await site.post(`/v1/services/${serviceId}/migrate`, {});
    await site.held('mute');
    expect((await site.post(`/v1/operations/${body.id}/cancel`)).status).toBe(202);
    await site.faults.release('mute', name);
    await site.arm('mute', { activity: 'prepareTarget', occurrence: 1, when: 'after', act: 'fail' });
    const stuck = await site.ended(body.id);
    expect(stuck).toMatchObject({ state: 'stuck', stuck: { direction: 'undo' } });
    expect((await site.post(`/v1/operations/${body.id}/retry`)).status).toBe(202);
    const ended = await site.until('it has ended', 20_000, async () => {
      const now = await operation(body.id);
      return now.endedAt === undefined ? undefined : now;
    });
    expect(ended.state).toBe('undone');
    const vees = await site.vees(serviceId);
    expect(vees.map((v) => [v.state, v.hostId])).toEqual(vees.map(() => ['ACTIVE', MUTE]));
  });

  it('is recovered although it is being restored, which then need not wait for it', async () => {
    const serviceId = await running(app(fresh(), 1), MUTE);
    await site.done(await site.post(`/v1/hosts/${MUTE}/drain`, {}));
    const [name = ''] = await site.arm('agent', {
      activity: 'sendVee',
      occurrence: 1,
      when: 'before',
      act: 'hold',
    });
    const restore = await site.post(`/v1/hosts/${MUTE}/restore`);
    await site.held('agent');
    signal('SIGSTOP');
    await liveness('lost');
    await site.faults.release('agent', name);
    const recovery = await site.post(`/v1/hosts/${MUTE}/recover`, { confirmedDown: true });
    expect(recovery.status).toBe(202);
    await site.done(recovery);
    expect(['completed', 'undone']).toContain((await site.ended(restore.body.id)).state);
    const [vee] = await site.vees(serviceId);
    expect(vee).toMatchObject({ state: 'ACTIVE' });
    expect(vee.hostId).not.toBe(MUTE);
  });

  it('its recovery goes on with the other services when one of them waits for the operator', async () => {
    const gold = await running(app(fresh(), 1, { slaClass: 'gold' }), MUTE);
    const bronze = await running(app(fresh(), 1, { slaClass: 'bronze' }), MUTE);
    signal('SIGSTOP');
    await liveness('lost');
    await site.arm('site', { activity: 'commitMove', occurrence: 1, when: 'before', act: 'fail' });
    const { body } = await site.post(`/v1/hosts/${MUTE}/recover`, { confirmedDown: true });
    await site.until('the lesser one runs elsewhere', 20_000, async () => {
      const [vee] = await site.vees(bronze);
      return vee.hostId !== MUTE && vee.state === 'ACTIVE' ? true : undefined;
    });
    expect(await site.ended(body.id)).toMatchObject({ state: 'stuck' });
    const asking = (await site.get('/v1/operations?kind=service.relocate&state=stuck')).body.items;
    expect(asking.map((o: Json) => o.serviceId)).toEqual([gold]);
    await site.post(`/v1/operations/${asking[0].id}/retry`);
    await site.until('it goes on', 20_000, async () =>
      (await operation(asking[0].id)).endedAt === undefined ? undefined : true,
    );
    await site.post(`/v1/operations/${body.id}/retry`);
    const ended = await site.until('so does the recovery', 20_000, async () => {
      const now = await operation(body.id);
      return now.endedAt === undefined ? undefined : now;
    });
    expect(ended.state).toBe('completed');
    expect((await site.vees(gold))[0].hostId).not.toBe(MUTE);
  });
});
