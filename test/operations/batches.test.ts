import type { Fault } from '../../process/fault-points';
import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

const capacity = { cpuMillis: 100, memoryMiB: 64 };
const APPS = 7;
/** Four batches, at three VEEs each: the two small levels share one, and the large one has three. */
const BATCHES = ['db/0 to cache/0', 'app/0 to app/1', 'app/2 to app/4', 'app/5 to app/6'];
const VEES = APPS + 2;

const layered = (name: string, app: Json = {}) =>
  manifestOf(name, {
    components: [
      { name: 'db', image: 'busybox', capacity },
      { name: 'cache', image: 'busybox', capacity },
      { name: 'app', image: 'busybox', capacity, instances: { min: 1, initial: APPS, max: 20 }, ...app },
    ],
    topology: {
      dependencies: [
        { component: 'cache', dependsOn: ['db'] },
        { component: 'app', dependsOn: ['cache'] },
      ],
    },
  });

/** What a service of a thousand VEEs goes through, with batches small enough to be quick. */
describe('an operation in batches', () => {
  let site: TestSite;
  let serial = 0;
  const fresh = () => `b${serial++}`;

  beforeAll(async () => {
    site = await TestSite.start({ environment: { SLUICE_BATCH_SIZE: '3' } });
  });
  afterAll(() => site.stop());

  const operating = async (name = fresh()): Promise<string> =>
    (await site.done(await site.apply(layered(name)))).serviceId;
  const names = (operation: Json): string[] => operation.steps.map((s: Json) => s.name);
  const after = (id: string, state: string) =>
    site.until(`${id} is ${state}`, 30_000, async () => {
      const { body } = await site.get(`/v1/operations/${id}`);
      return body.endedAt !== undefined && body.state === state ? body : undefined;
    });
  const states = async (serviceId: string) =>
    [...new Set((await site.vees(serviceId)).map((v: Json) => v.state))].sort();

  async function nothingIsLeft(at: string): Promise<void> {
    expect([at, await site.violations()]).toEqual([at, []]);
    expect([at, await site.onHosts()]).toEqual([at, []]);
    expect([at, (await site.get('/v1/holdings')).body.items]).toEqual([at, []]);
  }

  /** Of each activity that a clean run reaches from `first` on, the call in the middle: so each kind has failed once. */
  async function kindsFrom(first: string, work: () => Promise<unknown>) {
    const points = await site.trace(work);
    const from = points.findIndex((p) => p.activity === first);
    expect([first, from]).not.toEqual([first, -1]);
    const calls = new Map<string, { role: string; activity: string; most: number }>();
    for (const { role, activity, occurrence } of points.slice(from))
      if (activity !== 'watchSite' && activity !== 'reportOperation')
        calls.set(activity, { role, activity, most: occurrence });
    return [...calls.values()].map(({ role, activity, most }) => ({
      role,
      activity,
      occurrence: Math.ceil(most / 2),
    }));
  }

  describe('that makes VEEs', () => {
    let kinds: { role: string; activity: string; occurrence: number }[];

    it('goes wave by wave, and tells of each batch', async () => {
      let operation: Json;
      kinds = await kindsFrom('readBatch', async () => {
        operation = await site.done(await site.apply(layered(fresh())));
      });
      expect(kinds.map((k) => k.activity).sort()).toEqual(
        ['readBatch', 'defineVee', 'startVee', 'awaitReady', 'activateVees', 'operateService'].sort(),
      );
      expect(names(operation).filter((n) => n.startsWith('deploy '))).toEqual(
        BATCHES.map((b) => `deploy ${b}`),
      );
      // Before and beside the VEEs' four steps each: admit, plan, reserve, deploying, record, operate.
      expect(operation.progress).toEqual({ done: VEES * 4 + 6, total: VEES * 4 + 6 });
      const [first, ...rest] = operation.steps.filter((s: Json) => s.name.startsWith('deploy '));
      for (const later of rest) expect(later.startedAt).toBeGreaterThanOrEqual(first.endedAt);
      const vees = await site.vees(operation.serviceId);
      expect(vees).toHaveLength(VEES);
      expect(await states(operation.serviceId)).toEqual(['ACTIVE']);
      const usage = (await site.get(`/v1/usage?service=${operation.serviceId}`)).body.items;
      expect(new Set(usage.map((u: Json) => u.veeId)).size).toBe(VEES);
      expect(await site.violations()).toEqual([]);
      await site.done(await site.delete(`/v1/services/${operation.serviceId}`));
      await nothingIsLeft('decommissioned');
    });

    it('is undone wholly when any kind of activity fails, before its effect or after', async () => {
      const failing = async ({ role, ...point }: (typeof kinds)[number], when: 'before' | 'after') => {
        const at = `${when} ${point.activity}#${point.occurrence}`;
        const name = fresh();
        const operationId = site.operationIdOf(name);
        const [fault] = await site.arm(role, { ...point, when, act: 'fail', operationId });
        expect([at, (await site.withKey(name).apply(layered(name))).status]).toEqual([at, 202]);
        const operation = await site.ended(operationId, 90_000);
        expect([at, operation.state, site.faults.wasStruck(role, fault)]).toEqual([at, 'undone', true]);
        expect(operation.error.detail).toMatch(new RegExp(`Injected ${when} ${point.activity}.$`));
        expect(operation.steps.filter((s: Json) => s.state === 'stuck')).toEqual([]);
        return at;
      };
      // Side by side: each fault is of one operation alone.
      for (const when of ['before', 'after'] as const) {
        const ats = await Promise.all(kinds.map((kind) => failing(kind, when)));
        await nothingIsLeft(ats.join(', '));
      }
    }, 180_000);

    it('is none the worse for activities that are made twice', async () => {
      const twice = (r: string): Fault[] =>
        kinds
          .filter(({ role }) => role === r)
          .map(({ activity, occurrence }) => ({ activity, occurrence, when: 'after', act: 'retry' }));
      await site.arm('site', ...twice('site'));
      await site.arm('agent', ...twice('agent'));
      const serviceId = await operating();
      expect([site.wasStruck('site'), site.wasStruck('agent')]).toEqual([true, true]);
      expect(await site.violations()).toEqual([]);
      await site.done(await site.delete(`/v1/services/${serviceId}`));
    });

    it('is stuck when its undo fails, names the VEE, and is undone on retry; repeated undos change nothing', async () => {
      await site.arm('site', { activity: 'operateService', occurrence: 1, when: 'before', act: 'fail' });
      await site.arm(
        'agent',
        { activity: 'destroyVee', occurrence: 2, when: 'after', act: 'retry' },
        { activity: 'destroyVee', occurrence: 5, when: 'before', act: 'fail' },
      );
      const { body } = await site.apply(layered(fresh()));
      const stuck = await site.ended(body.id);
      expect(stuck).toMatchObject({ state: 'stuck', stuck: { step: 'batches', direction: 'undo' } });
      expect(stuck.stuck.error.detail).toMatch(/^define (app|db|cache)\/\d: Injected before destroyVee.$/);
      const alerts = (await site.all('/v1/events?alert=true')).filter((e) => e.operationId === body.id);
      expect(alerts.map((e) => [e.kind, e.tenantId, e.message.split(':')[0]])).toEqual([
        ['operation.stuck', 'acme', 'service.provision is stuck taking back batches'],
      ]);
      await site.post(`/v1/operations/${body.id}/retry`);
      await after(body.id, 'undone');
      await nothingIsLeft('undone');
    });

    it('ends its waits at once when it is cancelled', async () => {
      for (const hostId of site.hostIds) await site.script(hostId, { unready: true });
      const readiness = { kind: 'exec', command: ['true'], timeoutMillis: 600_000 };
      const manifest = layered(fresh(), { readiness });
      (manifest.components as Json[])[0].readiness = readiness;
      const { body } = await site.apply(manifest);
      await site.until('the first batch is under way', 10_000, async () => {
        const { steps } = (await site.get(`/v1/operations/${body.id}`)).body;
        return steps.some((s: Json) => s.name === `deploy ${BATCHES[0]}`) ? true : undefined;
      });
      expect((await site.post(`/v1/operations/${body.id}/cancel`)).status).toBe(202);
      const operation = await site.ended(body.id, 15_000);
      for (const hostId of site.hostIds) await site.script(hostId);
      expect(operation).toMatchObject({ state: 'undone', error: { code: 'cancelled' } });
      await nothingIsLeft('cancelled');
    });
  });

  describe('that keeps what starts', () => {
    const keeping = () => ({ ...layered(fresh()), provisioning: { onFailure: 'keep' } });
    const failing = (activity: string, occurrence: number): Fault => ({
      activity,
      occurrence,
      when: 'before',
      act: 'fail',
    });
    const abouts = (operation: Json) => operation.notes.map((n: Json) => n.about).sort();
    const components = async (serviceId: string) =>
      (await site.vees(serviceId)).map((v: Json) => v.component).sort();
    const apps = (n: number) => Array.from({ length: n }, () => 'app');

    afterEach(async () => {
      const services = (await site.get('/v1/services')).body.items;
      for (const { id } of services.filter((s: Json) => s.phase !== 'decommissioned'))
        await site.done(await site.delete(`/v1/services/${id}`));
      await nothingIsLeft('decommissioned');
    });

    it('gives up alone what fails, and says so', async () => {
      await site.arm('agent', failing('startVee', 4));
      const operation = await site.ended((await site.apply(keeping())).body.id);
      expect(operation).toMatchObject({ state: 'stuck', stuck: { choices: [] } });
      expect(abouts(operation)).toEqual([expect.stringMatching(/^app\/\d$/)]);
      expect(operation.notes[0].error.detail).toMatch(/^start app\/\d: Injected before startVee.$/);
      expect(await components(operation.serviceId)).toEqual([...apps(APPS - 1), 'cache', 'db']);
      expect(await states(operation.serviceId)).toEqual(['ACTIVE']);
      expect(await site.violations()).toEqual([]);
    });

    it('does not start what depends on what failed, in other batches either', async () => {
      await site.arm('agent', failing('startVee', 2));
      const operation = await site.ended((await site.apply(keeping())).body.id);
      expect(operation.state).toBe('stuck');
      expect(abouts(operation)).toHaveLength(APPS + 1);
      expect(await components(operation.serviceId)).toEqual(['db']);
      expect(await site.violations()).toEqual([]);
    });

    it('completes when nothing fails, and is undone when nothing starts', async () => {
      const completed = await site.done(await site.apply(keeping()));
      expect(await components(completed.serviceId)).toEqual([...apps(APPS), 'cache', 'db']);
      await site.arm('agent', failing('startVee', 1));
      expect(await site.ended((await site.apply(keeping())).body.id)).toMatchObject({
        state: 'undone',
        error: { detail: expect.stringContaining('Injected before startVee.') },
      });
    });

    it('waits for the operator when one can’t be given up, and counts it when its batch runs again', async () => {
      // Two fail, and one of them can't be taken back at first.
      await site.arm('agent', failing('startVee', 4), failing('startVee', 5), failing('destroyVee', 2));
      const { body } = await site.apply(keeping());
      const stuck = await site.ended(body.id);
      expect(stuck).toMatchObject({ state: 'stuck', stuck: { direction: 'forward' } });
      expect(stuck.stuck.step).toMatch(/^deploy app/);
      expect(stuck.stuck.error.detail).toMatch(/Injected before destroyVee.$/);
      await site.post(`/v1/operations/${body.id}/retry`);
      const operation = await site.until('it has gone on', 30_000, async () => {
        const now = (await site.get(`/v1/operations/${body.id}`)).body;
        return now.endedAt === undefined ? undefined : now;
      });
      expect(operation).toMatchObject({ state: 'stuck', stuck: { choices: [] } });
      const here = await components(operation.serviceId);
      expect(here).toHaveLength(VEES - abouts(operation).length);
      expect(await states(operation.serviceId)).toEqual(['ACTIVE']);
      expect(await site.violations()).toEqual([]);
    });

    it('is undone wholly when it is cancelled', async () => {
      await site.arm('agent', { activity: 'startVee', occurrence: 5, when: 'after', act: 'hold' });
      const { body } = await site.apply(keeping());
      await site.held('agent');
      expect((await site.post(`/v1/operations/${body.id}/cancel`)).status).toBe(202);
      await site.release('agent');
      expect(await site.ended(body.id)).toMatchObject({ state: 'undone', error: { code: 'cancelled' } });
    });
  });

  it('that changes states is undone wholly, or done wholly', async () => {
    const serviceId = await operating();
    const change = (verb: string) => site.post(`/v1/services/${serviceId}/${verb}`);
    const kinds = await kindsFrom('listWork', async () => site.done(await change('suspend')));
    expect(kinds.map((k) => k.activity)).toEqual(
      expect.arrayContaining(['readBatch', 'lockVees', 'changeVee', 'commitStates']),
    );
    expect(await states(serviceId)).toEqual(['SUSPENDED']);
    const resumed = await site.done(await change('resume'));
    expect(names(resumed).filter((n) => n.startsWith('resume '))).toEqual(BATCHES.map((b) => `resume ${b}`));
    expect(await states(serviceId)).toEqual(['ACTIVE']);
    // What somebody stilled by itself is not what the suspension stilled.
    const [app] = (await site.vees(serviceId)).filter((v: Json) => v.component === 'app');
    await site.done(await site.post(`/v1/vees/${app.id}/pause`));
    await site.done(await change('suspend'));
    await site.done(await change('resume'));
    expect(await states(serviceId)).toEqual(['ACTIVE', 'PAUSED']);
    expect((await site.get(`/v1/vees/${app.id}`)).body.state).toBe('PAUSED');
    await site.done(await site.post(`/v1/vees/${app.id}/resume`));
    // Reading and listing are no others than those above.
    for (const { role, ...point } of kinds.filter((k) => !/^(readBatch|listWork)$/.test(k.activity)))
      for (const when of ['before', 'after'] as const) {
        const at = `${when} ${point.activity}#${point.occurrence}`;
        await site.arm(role, { ...point, when, act: 'fail' });
        const operation = await site.ended((await change('suspend')).body.id);
        expect([at, operation.state, site.wasStruck(role)]).toEqual([at, 'undone', true]);
        expect([at, await states(serviceId)]).toEqual([at, ['ACTIVE']]);
        expect([at, await site.violations()]).toEqual([at, []]);
      }
    await site.done(await site.delete(`/v1/services/${serviceId}`));
    await nothingIsLeft('decommissioned');
  }, 120_000);

  it.each<[string, string, string, Fault]>([
    ['site', 'list', '', { activity: 'listWork', occurrence: 1, when: 'before', act: 'fail' }],
    ['site', 'retire', 'read: ', { activity: 'readBatch', occurrence: 2, when: 'after', act: 'fail' }],
    [
      'agent',
      'retire',
      'destroy VEE: ',
      { activity: 'destroyVee', occurrence: 4, when: 'before', act: 'fail' },
    ],
    ['site', 'retire', 'retire VEE: ', { activity: 'retireVees', occurrence: 2, when: 'after', act: 'fail' }],
  ])(
    'past its point of no return is stuck with the reason from %s at %s %s, and ends on retry',
    async (...row) => {
      const [role, step, where, fault] = row;
      const serviceId = await operating();
      await site.arm(role, fault);
      const { body } = await site.delete(`/v1/services/${serviceId}`);
      const { state, stuck } = await site.ended(body.id);
      expect([state, stuck?.step.split(' ')[0], stuck?.direction]).toEqual(['stuck', step, 'forward']);
      expect(stuck.error.detail.replace(/\w+\/\d/, 'VEE')).toBe(
        `${where}Injected ${fault.when} ${fault.activity}.`,
      );
      await site.post(`/v1/operations/${body.id}/retry`);
      await after(body.id, 'completed');
      await nothingIsLeft('decommissioned');
    },
  );

  it('that scales goes either way', async () => {
    const serviceId = await operating();
    const scale = async (instances: number) =>
      site.done(await site.post(`/v1/services/${serviceId}/components/app/scale`, { instances }));
    expect(names(await scale(12)).filter((n) => n.startsWith('deploy '))).toHaveLength(2);
    expect(await site.vees(serviceId)).toHaveLength(14);
    expect(names(await scale(1)).filter((n) => n.startsWith('retire '))).toHaveLength(4);
    expect((await site.vees(serviceId)).map((v: Json) => v.component).sort()).toEqual(['app', 'cache', 'db']);
    expect(await site.violations()).toEqual([]);
    await site.done(await site.delete(`/v1/services/${serviceId}`));
  });

  it('completes whichever process is killed in the middle of a batch', async () => {
    const killed = async (role: string, activity: string, when: Fault['when'], work: () => Promise<Json>) => {
      const pid = site.system.child(role).pid;
      await site.arm(role, { activity, occurrence: 2, when, act: 'kill' });
      const operation = await site.ended((await work()).body.id, 60_000);
      expect([activity, operation.state, site.wasStruck(role)]).toEqual([activity, 'completed', true]);
      expect(site.system.child(role).pid).not.toBe(pid);
      expect([activity, await site.violations()]).toEqual([activity, []]);
      return operation.serviceId;
    };
    const first = await killed('site', 'activateVees', 'after', () => site.apply(layered(fresh())));
    const second = await killed('agent', 'startVee', 'after', () => site.apply(layered(fresh())));
    await killed('site', 'retireVees', 'after', () => site.delete(`/v1/services/${first}`));
    await site.done(await site.delete(`/v1/services/${second}`));
    await nothingIsLeft('decommissioned');
  }, 180_000);
});
