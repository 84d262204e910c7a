import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';
import { operating } from './scenarios';

const capacity = { cpuMillis: 100, memoryMiB: 64 };
const DB = { name: 'db', image: 'busybox', capacity };
const APP = { name: 'app', image: 'busybox', capacity, instances: { min: 1, initial: 2, max: 20 } };
/** What `manifestOf` makes, changed. */
const changed = (name: string, app: Json = {}, rest: Json = {}) =>
  manifestOf(name, { components: [DB, { ...APP, ...app }], ...rest });
const NEW = { command: ['/bin/new'] };
const ENDS_FIRST = { maxUnavailable: 1, maxSurge: 0 };

describe('re-composing a service', () => {
  let site: TestSite;
  const put = (id: string, manifest: unknown, query = '', headers: Record<string, string> = {}) =>
    site.send('PUT', `/v1/services/${id}${query}`, { body: manifest, headers });
  const service = async (id: string): Promise<Json> => (await site.get(`/v1/services/${id}`)).body;
  const start = (name: string, app: Json = {}, rest: Json = {}) =>
    operating(site, name, changed(name, app, rest));
  /** What is there, but for ids: what is made anew has another. */
  const shape = async (id: string) =>
    (await site.vees(id))
      .map((v: Json) => `${v.component}/${v.index} ${v.state} on ${v.hostId} with ${v.capacity.cpuMillis}`)
      .sort();
  const commandOf = async (veeId: string) => {
    const { readFile } = await import('node:fs/promises');
    const { hostId } = (await site.get(`/v1/vees/${veeId}`)).body;
    const path = `${site.dataDir}/agents/agent/hosts/${hostId}/vees/${veeId}/vee.json`;
    return JSON.parse(await readFile(path, 'utf8')).spec.template.command;
  };
  const commands = async (id: string) =>
    Object.fromEntries(
      await Promise.all(
        (await site.vees(id)).map(async (v: Json) => [`${v.component}/${v.index}`, await commandOf(v.id)]),
      ),
    );
  const fail = (activity: string, occurrence: number, role = 'agent') =>
    site.arm(role, { activity, occurrence, when: 'before', act: 'fail' });

  beforeAll(async () => {
    site = await TestSite.start();
  });
  afterAll(() => site.stop());
  afterEach(async () => {
    expect(await site.violations()).toEqual([]);
    const { body } = await site.get('/v1/services?limit=200');
    for (const s of body.items.filter((x: Json) => x.phase !== 'decommissioned'))
      await site.done(await site.delete(`/v1/services/${s.id}`));
    expect(await site.onHosts()).toEqual([]);
    expect((await site.get('/v1/holdings')).body.items).toEqual([]);
    expect(await site.violations()).toEqual([]);
  });

  it('shows the difference, changes nothing by that, and then does what it showed', async () => {
    const id = await start('roll');
    // As it is recorded: what its host reports may come at any time.
    const recorded = async () => (await site.vees(id)).map(({ observed: _, ...vee }) => vee);
    const before = await recorded();
    const wanted = changed('roll', NEW);
    const { body: plan } = await put(id, wanted, '?dryRun=true');
    expect(plan).toMatchObject({ dryRun: true, operation: 'service.recompose', feasible: true });
    expect(
      plan.actions.map((a: Json) => [a.verb, a.component, a.reasons.map((r: Json) => r.reason)]),
    ).toEqual([
      ['no-op', 'db', []],
      ['replace', 'app', ['command']],
      ['replace', 'app', ['command']],
    ]);
    expect(plan.steps).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^replace app\/0 on host-\d: its command changed$/),
        expect.stringMatching(/^wave 1 of 2: create app\/2 on host-\d \(.*\); destroy app\/0$/),
      ]),
    );
    expect(await recorded()).toEqual(before);
    expect((await service(id)).phase).toBe('operating');

    const operation = await site.done(await put(id, wanted));
    const names = operation.steps.map((s: Json) => s.name);
    expect(names.filter((n: string) => /^(define|destroy)/.test(n))).toEqual([
      'define app/2',
      'destroy app/0',
      'define app/0',
      'destroy app/1',
    ]);
    expect(await commands(id)).toEqual({ 'db/0': [], 'app/0': ['/bin/new'], 'app/2': ['/bin/new'] });
    const after = await service(id);
    expect(after.history.map((h: Json) => h.phase).slice(-2)).toEqual(['recomposing', 'operating']);
    expect(after.recomposition).toBeUndefined();
    expect(after.manifest.components[1].command).toEqual(['/bin/new']);
    // The very same once more: what is applied is what is there.
    const again = await site.apply(wanted);
    expect([again.status, again.body.id, again.body.state]).toEqual([202, operation.id, 'completed']);
  });

  it('resizes, starts what is new, ends what is gone, and keeps the count that was scaled to', async () => {
    const id = await start('mix');
    await site.done(await site.post(`/v1/services/${id}/components/app/scale`, { instances: 3 }));
    const before = new Map((await site.vees(id)).map((v: Json) => [`${v.component}/${v.index}`, v.id]));
    const wanted = manifestOf('mix', {
      components: [
        { ...APP, capacity: { cpuMillis: 150, memoryMiB: 32 } },
        { name: 'cache', image: 'busybox', capacity, instances: { initial: 2, max: 2 } },
      ],
      topology: { dependencies: [{ component: 'app', dependsOn: ['cache'] }] },
    });
    await site.done(await put(id, wanted));
    const vees = await site.vees(id);
    expect(vees.map((v: Json) => `${v.component}/${v.index} ${v.capacity.cpuMillis}`).sort()).toEqual([
      'app/0 150',
      'app/1 150',
      'app/2 150',
      'cache/0 100',
      'cache/1 100',
    ]);
    for (const v of vees.filter((x: Json) => x.component === 'app'))
      expect(before.get(`app/${v.index}`)).toBe(v.id);
    expect((await service(id)).instances).toEqual({ app: 3, cache: 2 });
    const held = (await site.get('/v1/holdings')).body.items.find((r: Json) => r.veeId === vees[0].id);
    expect(held.amount.cpuMillis).toBe(vees[0].capacity.cpuMillis);
  });

  it('moves what a new constraint drives away, and gives the old place back', async () => {
    // Two hosts are full but for one instance: striping would otherwise spread them by itself.
    for (const n of [2, 3]) await site.post(`/v1/hosts/host-${n}/cordon`);
    const id = await start('apart');
    for (const n of [2, 3]) await site.post(`/v1/hosts/host-${n}/uncordon`);
    const before = await site.vees(id);
    const wanted = changed('apart', {}, { placement: { antiAffinity: [{ within: 'app' }] } });
    await site.done(await put(id, wanted));
    const after = await site.vees(id);
    expect(after.map((v: Json) => v.id).sort()).toEqual(before.map((v: Json) => v.id).sort());
    const hosts = after.filter((v: Json) => v.component === 'app').map((v: Json) => v.hostId);
    expect(new Set(hosts).size).toBe(2);
    expect((await site.get('/v1/holdings')).body.items).toHaveLength(3);
  });

  it('gathers what a new constraint ties to a zone, keeps it there, and lets it be nowhere else', async () => {
    const id = await start('near');
    const together = { affinity: [{ together: ['db', 'app'], level: 'zone' }] };
    await site.done(await put(id, changed('near', {}, { placement: together })));
    const [db, ...apps] = await site.vees(id);
    expect(apps.map((v: Json) => v.hostId)).toEqual([db.hostId, db.hostId]);
    // Each host of this site is a zone of its own.
    const { body: plan } = await site.post(`/v1/vees/${db.id}/migrate?dryRun=true`, {});
    expect(plan).toMatchObject({
      feasible: false,
      why: expect.stringContaining('affinity(db, app) by zone'),
    });
  });

  it('takes everything back when a new VEE does not become ready, also what had ended already', async () => {
    const id = await start('back', {}, { update: ENDS_FIRST });
    const [before, were, { manifestDigest }] = [await shape(id), await site.vees(id), await service(id)];
    // The second new one: by then one old one is gone, and another has been replaced.
    await fail('awaitReady', 2);
    const operation = await site.ended((await put(id, changed('back', NEW, { update: ENDS_FIRST }))).body.id);
    expect(operation).toMatchObject({ state: 'undone', error: { code: 'driver-refused' } });
    expect(await shape(id)).toEqual(before);
    expect(await commands(id)).toEqual({ 'db/0': [], 'app/0': [], 'app/1': [] });
    expect(await service(id)).toMatchObject({ phase: 'operating', manifestDigest });
    expect((await service(id)).recomposition).toBeUndefined();
    const now = new Set((await site.vees(id)).map((v: Json) => v.id));
    const remade = were.filter((v: Json) => !now.has(v.id));
    expect(remade.map((v: Json) => `${v.component}/${v.index}`).sort()).toEqual(['app/0', 'app/1']);
    const told = operation.steps.map((s: Json) => `${s.name}: ${s.state}`);
    expect(told).toContain('bring back app/0: undone');
  });

  it('takes sizes and places back', async () => {
    for (const n of [2, 3]) await site.post(`/v1/hosts/host-${n}/cordon`);
    const id = await start('return');
    for (const n of [2, 3]) await site.post(`/v1/hosts/host-${n}/uncordon`);
    const before = await shape(id);
    const ids = (await site.vees(id)).map((v: Json) => v.id).sort();
    const wanted = manifestOf('return', {
      components: [
        { ...DB, capacity: { cpuMillis: 120, memoryMiB: 64 } },
        APP,
        { name: 'cache', image: 'busybox', capacity },
      ],
      topology: {
        dependencies: [
          { component: 'app', dependsOn: ['db'] },
          { component: 'cache', dependsOn: ['app'] },
        ],
      },
      placement: { antiAffinity: [{ within: 'app' }] },
    });
    // What was resized is ready, then what was moved, and then what is new is not.
    await fail('awaitReady', 3);
    const operation = await site.ended((await put(id, wanted)).body.id);
    expect(operation).toMatchObject({ state: 'undone', error: { code: 'driver-refused' } });
    const done = operation.steps.map((s: Json) => s.name);
    expect(done).toEqual(expect.arrayContaining(['commit db/0', 'commit app/1', 'commit app/1 back']));
    expect(await shape(id)).toEqual(before);
    expect((await site.vees(id)).map((v: Json) => v.id).sort()).toEqual(ids);
    expect((await site.get('/v1/holdings')).body.items).toHaveLength(3);
  });

  it('waits for the operator where only its record is left to be written', async () => {
    const id = await start('record');
    await fail('commitRecomposition', 1, 'site');
    const { body } = await put(id, changed('record', NEW));
    expect((await site.ended(body.id)).state).toBe('stuck');
    await site.post(`/v1/operations/${body.id}/retry`);
    const state = await site.until('it goes on', 20_000, async () => {
      const operation = (await site.get(`/v1/operations/${body.id}`)).body;
      return operation.endedAt === undefined ? undefined : operation.state;
    });
    expect(state).toBe('completed');
  });

  it('can be cancelled, and takes everything back then too', async () => {
    const id = await start('cancel', {}, { update: ENDS_FIRST });
    const before = await shape(id);
    await site.arm('agent', { activity: 'awaitReady', occurrence: 2, when: 'before', act: 'hold' });
    const { body } = await put(id, changed('cancel', NEW, { update: ENDS_FIRST }));
    await site.held('agent');
    expect((await site.post(`/v1/operations/${body.id}/cancel`)).status).toBe(202);
    await site.release('agent');
    expect(await site.ended(body.id)).toMatchObject({ state: 'undone', error: { code: 'cancelled' } });
    expect(await shape(id)).toEqual(before);
  });

  it('keeps what was done where the manifest says so, and goes on from there when asked again', async () => {
    const id = await start('keep');
    const old = await service(id);
    const wanted = changed('keep', NEW, { update: { onFailure: 'keep' } });
    await fail('awaitReady', 2);
    const operation = await site.ended((await put(id, wanted)).body.id);
    expect(operation).toMatchObject({
      state: 'stuck',
      endedAt: expect.any(Number),
      stuck: { direction: 'forward', choices: [] },
      notes: [{ about: expect.stringMatching(/^app\//), error: { code: 'driver-refused' } }],
    });
    expect(Object.values(await commands(id)).filter((c) => (c as string[]).length > 0)).toHaveLength(1);
    expect(await site.vees(id)).toHaveLength(3);
    const kept = await service(id);
    expect(kept).toMatchObject({
      phase: 'operating',
      manifestDigest: old.manifestDigest,
      recomposition: { operationId: operation.id },
    });
    expect(await site.violations()).toEqual([]);

    await site.done(await put(id, wanted));
    expect(Object.values(await commands(id)).filter((c) => (c as string[]).length > 0)).toHaveLength(2);
    expect((await service(id)).recomposition).toBeUndefined();
  });

  it('of what was kept half-way is undone to half-way', async () => {
    const id = await start('half');
    await fail('awaitReady', 2);
    const kept = await site.ended(
      (await put(id, changed('half', NEW, { update: { onFailure: 'keep' } }))).body.id,
    );
    await fail('awaitReady', 1);
    const undone = await site.ended((await put(id, changed('half', NEW))).body.id);
    expect(undone.state).toBe('undone');
    expect((await service(id)).recomposition.operationId).toBe(kept.id);
  });

  it('that was given up can be followed by another, or by the end', async () => {
    const id = await start('given-up', {}, { update: ENDS_FIRST });
    await site.arm(
      'agent',
      { activity: 'awaitReady', occurrence: 2, when: 'before', act: 'fail' },
      { activity: 'destroyVee', occurrence: 2, when: 'before', act: 'fail' },
    );
    const wanted = changed('given-up', NEW, {
      update: ENDS_FIRST,
      components: [DB, { ...APP, ...NEW }, { name: 'extra', image: 'busybox', capacity }],
    });
    const operation = await site.ended((await put(id, wanted)).body.id);
    expect(operation).toMatchObject({ state: 'stuck', stuck: { direction: 'undo' } });
    await site.post(`/v1/operations/${operation.id}/abort`);
    await site.until('it ends', 10_000, async () =>
      (await site.get(`/v1/operations/${operation.id}`)).body.endedAt === undefined ? undefined : true,
    );
    expect((await service(id)).phase).toBe('recomposing');
    await site.done(await put(id, wanted));
    expect(Object.values(await commands(id)).sort()).toEqual([[], [], ['/bin/new'], ['/bin/new']]);
  });

  it('is refused while a VEE that would change is stilled, and when nothing fits nothing is touched', async () => {
    const id = await start('refused');
    const [vee] = (await site.vees(id)).filter((v: Json) => v.component === 'app');
    await site.done(await site.post(`/v1/vees/${vee.id}/pause`));
    const paused = await put(id, changed('refused', NEW), '?dryRun=true');
    expect([paused.status, paused.body.code]).toEqual([409, 'transition-illegal']);
    const refused = await site.ended((await put(id, changed('refused', NEW))).body.id);
    expect(refused).toMatchObject({ state: 'undone', error: { code: 'transition-illegal' } });
    await site.done(await site.post(`/v1/vees/${vee.id}/resume`));

    const before = await shape(id);
    const huge = changed('refused', { ...NEW, capacity: { cpuMillis: 250_000, memoryMiB: 1 } });
    expect((await put(id, huge, '?dryRun=true')).body).toMatchObject({
      feasible: false,
      why: expect.stringMatching(/^wave 1 of 2: No placement was found for app\/2/),
    });
    const operation = await site.ended((await put(id, huge)).body.id);
    expect(operation).toMatchObject({ state: 'undone', error: { code: 'placement-infeasible' } });
    expect(await shape(id)).toEqual(before);
  });

  it('checks who it is about, and which state of it was meant', async () => {
    const id = await start('checked');
    const wanted = changed('checked', NEW);
    const other = await put(id, { ...wanted, name: 'other' });
    expect([other.status, other.body.code, other.body.pointer]).toEqual([400, 'request-invalid', '/name']);
    const { generation } = await service(id);
    expect((await put(id, wanted, '', { 'if-match': `"g${generation - 1}"` })).status).toBe(412);
    const posted = await site.apply(wanted);
    expect([posted.status, posted.body.code, posted.body.serviceId]).toEqual([409, 'already-exists', id]);
    const key = { 'idempotency-key': 'recompose-once', 'if-match': `"g${generation}"` };
    const [a, b] = [await put(id, wanted, '', key), await put(id, wanted, '', key)];
    expect([a.status, b.status, b.body.id]).toEqual([202, 202, a.body.id]);
    await site.done(a);
  });
});
