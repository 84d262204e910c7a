import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite, type TestSiteOptions } from '../support/site';

const capacity = { cpuMillis: 100, memoryMiB: 64 };
const TIMES = { SLUICE_SUSPECT_MILLIS: '800', SLUICE_LOST_MILLIS: '2000' };

/** Each host has an agent of its own, so that one can be lost. */
function agentsOf(count: number, cpuMillis = 16_000): NonNullable<TestSiteOptions['agents']> {
  return Array.from({ length: count }, (_, i) => ({
    id: `agent-${i + 1}`,
    hosts: [
      {
        id: `host-${i + 1}`,
        driver: 'simulator',
        capacity: { cpuMillis, memoryMiB: 16_384, diskMiB: 1_000_000, bandwidthKbps: 1_000_000 },
      },
    ],
  }));
}

const app = (name: string, instances: number, rest: Json = {}) =>
  manifestOf(name, {
    components: [{ name: 'app', image: 'busybox', capacity, instances: { initial: instances, max: 20 } }],
    topology: {},
    ...rest,
  });

describe('a lost host', () => {
  let site: TestSite;
  let fence: string;

  beforeAll(async () => {
    site = await TestSite.start({ agents: agentsOf(3), environment: TIMES });
    fence = join(site.dataDir, 'fence');
  });
  afterAll(() => site.stop());

  const liveness = (id: string, state: string) =>
    site.until(`${id} is ${state}`, 20_000, async () =>
      (await site.get(`/v1/hosts/${id}`)).body.liveness === state ? true : undefined,
    );
  const freeze = (n: number) => process.kill(site.system.child(`agent-${n}`).pid ?? 0, 'SIGSTOP');
  const thaw = (n: number) => process.kill(site.system.child(`agent-${n}`).pid ?? 0, 'SIGCONT');
  const kinds = async (subject: string) =>
    (await site.get(`/v1/events?subject=${subject}`)).body.items.map((e: Json) => e.kind);

  it('is not recovered on anybody’s guess', async () => {
    await writeFile(fence, '');
    await site.done(await site.apply(app('web', 6)));
    expect((await site.post('/v1/hosts/host-1/recover', {})).body.code).toBe('transition-illegal');
    freeze(1);
    await liveness('host-1', 'lost');
    expect((await site.post('/v1/hosts/host-1/recover', {})).body.code).toBe('fencing-unconfirmed');
    expect((await site.get('/v1/operations?kind=host.recover')).body.items).toEqual([]);
  });

  it('has its VEEs made anew elsewhere, and ends its own copies when it comes back', async () => {
    const [service] = (await site.get('/v1/services?name=web')).body.items;
    const lost = (await site.vees(service.id)).filter((v: Json) => v.hostId === 'host-1');
    expect(lost).toHaveLength(2);
    const elsewhere = site.hostIds.filter((id) => id !== 'host-1');
    for (const id of elsewhere) await site.post(`/v1/hosts/${id}/cordon`);
    const dry = await site.post('/v1/hosts/host-1/recover?dryRun=true', { confirmedDown: true });
    for (const id of elsewhere) await site.post(`/v1/hosts/${id}/uncordon`);
    expect(dry.body.steps.filter((s: string) => s.startsWith('no room for web/app/'))).toHaveLength(2);
    expect(dry.body.blocked).toHaveLength(2);
    const recovered = await site.done(await site.post('/v1/hosts/host-1/recover', { confirmedDown: true }));
    expect(recovered.notes).toBeUndefined();
    const now = await site.vees(service.id);
    expect(now.every((v: Json) => v.hostId !== 'host-1' && v.state === 'ACTIVE')).toBe(true);
    for (const before of lost)
      expect(now.find((v: Json) => v.id === before.id).epoch).toBeGreaterThan(before.epoch);
    expect((await site.get('/v1/hosts/host-1')).body.fenced).toMatchObject({ by: 'operator' });
    // The frozen agent's copies are still in its folder; it ends them with its first heartbeat.
    expect((await site.onHosts()).filter((v) => v.hostId === 'host-1')).toHaveLength(2);
    thaw(1);
    await site.until('its copies are ended', 10_000, async () =>
      (await site.onHosts()).some((v) => v.hostId === 'host-1') ? undefined : true,
    );
    await site.until('it is told', 10_000, async () =>
      (await kinds('host-1')).includes('host.returned') ? true : undefined,
    );
    expect(await site.violations()).toEqual([]);
    expect((await site.get('/v1/holdings')).body.items).toHaveLength(6);
    await site.done(await site.delete(`/v1/services/${service.id}`));
  }, 90_000);

  it('that comes back while its recovery waits runs on what it has', async () => {
    const { serviceId } = await site.done(await site.apply(app('patient', 3)));
    const before = await site.vees(serviceId);
    freeze(1);
    await liveness('host-1', 'lost');
    await site.arm('site', { activity: 'lockVee', occurrence: 1, when: 'before', act: 'hold' });
    const { body } = await site.post('/v1/hosts/host-1/recover', { confirmedDown: true });
    await site.held('site');
    thaw(1);
    await site.until('it is back', 10_000, async () =>
      (await site.get('/v1/hosts/host-1')).body.fenced ? undefined : true,
    );
    await site.release('site');
    expect(await site.ended(body.id)).toMatchObject({
      state: 'completed',
      notes: [{ error: { code: 'conflict', detail: expect.stringContaining('has come back') } }],
    });
    const placed = (vees: readonly Json[]) => vees.map((v) => [v.id, v.hostId, v.epoch, v.state]).sort();
    expect(placed(await site.vees(serviceId))).toEqual(placed(before));
    expect(await site.violations()).toEqual([]);
    await site.done(await site.delete(`/v1/services/${serviceId}`));
  }, 90_000);

  it('whose VEEs can’t be made anew runs them on when it comes back', async () => {
    const { serviceId } = await site.done(await site.apply(app('refused', 3)));
    const before = await site.vees(serviceId);
    freeze(1);
    await liveness('host-1', 'lost');
    const faults = [{ verb: 'start', call: 0, when: 'before', do: 'fail', code: 'driver-refused' }] as const;
    for (const host of ['host-2', 'host-3']) await site.script(host, { faults });
    const { body } = await site.post('/v1/hosts/host-1/recover', { confirmedDown: true });
    expect(await site.ended(body.id)).toMatchObject({ state: 'stuck', stuck: { step: 'restart elsewhere' } });
    for (const host of ['host-2', 'host-3']) await site.script(host);
    thaw(1);
    await site.until('it is back', 10_000, async () =>
      (await site.get('/v1/hosts/host-1')).body.fenced ? undefined : true,
    );
    await site.post(`/v1/operations/${body.id}/retry`);
    await site.until('it goes on', 20_000, async () =>
      (await site.get(`/v1/operations/${body.id}`)).body.endedAt ? true : undefined,
    );
    const placed = (vees: readonly Json[]) => vees.map((v) => [v.id, v.hostId, v.epoch, v.state]).sort();
    expect(placed(await site.vees(serviceId))).toEqual(placed(before));
    expect(await site.disagreements()).toEqual([]);
    expect(await site.violations()).toEqual([]);
    await site.done(await site.delete(`/v1/services/${serviceId}`));
  }, 90_000);

  it('frees the operations that wait for it: what they would have done there is done by the fencing', async () => {
    const { serviceId } = await site.done(await site.apply(app('waiting', 3)));
    const [vee] = (await site.vees(serviceId)).filter((v: Json) => v.hostId === 'host-2');
    freeze(2);
    const pause = await site.post(`/v1/vees/${vee.id}/pause`);
    await liveness('host-2', 'lost');
    const recovery = await site.post('/v1/hosts/host-2/recover', { confirmedDown: true });
    expect(await site.ended(pause.body.id, 8_000)).toMatchObject({
      state: 'undone',
      error: { code: 'host-lost' },
    });
    await site.done(recovery);
    expect((await site.vees(serviceId)).filter((v: Json) => v.hostId === 'host-2')).toEqual([]);
    // Its end does not wait for a host that is off, either.
    await site.done(await site.delete(`/v1/services/${serviceId}`));
    thaw(2);
    await liveness('host-2', 'up');
    await site.until('nothing is left', 10_000, async () =>
      (await site.onHosts()).length === 0 ? true : undefined,
    );
    expect(await site.violations()).toEqual([]);
  }, 90_000);
});

describe('recovery of a lost host by itself', () => {
  let site: TestSite;
  let log: string;

  beforeAll(async () => {
    const { mkdtemp } = await import('node:fs/promises');
    const { tmpdir } = await import('node:os');
    const folder = await mkdtemp(join(tmpdir(), 'sluice-fence-'));
    log = join(folder, 'log');
    const command = join(folder, 'fence.sh');
    // Fails the first time, as a power switch may.
    await writeFile(
      command,
      `#!/bin/sh\necho "$1 $SLUICE_HOST_ZONE" >> ${log}\n[ "$(wc -l < ${log})" -gt 1 ] || { echo "switch is busy" >&2; exit 3; }\n`,
      { mode: 0o755 },
    );
    site = await TestSite.start({
      agents: agentsOf(2, 1_000),
      environment: { ...TIMES, SLUICE_FENCE_COMMAND: command, SLUICE_FENCE_TIMEOUT_MILLIS: '2000' },
    });
  });
  afterAll(() => site.stop());

  it('fences first, tells when that fails, and restarts the best class first where room is short', async () => {
    // Two hosts of 1,000: gold and bronze on host-1 need 500 each, of which host-2 has room for one.
    const one = (name: string, cpuMillis: number, host: string, rest: Json = {}) =>
      manifestOf(name, {
        components: [{ name: 'app', image: 'busybox', capacity: { cpuMillis, memoryMiB: 64 } }],
        topology: {},
        placement: {
          assignment: [{ component: 'app', labels: {}, ...(host ? { allowHosts: [host] } : {}) }],
        },
        ...rest,
      });
    await site.post('/v1/hosts/host-2/cordon');
    const bronze = await site.done(await site.apply(one('bronze', 500, '', { slaClass: 'bronze' })));
    const gold = await site.done(await site.apply(one('gold', 500, '', { slaClass: 'gold' })));
    await site.post('/v1/hosts/host-2/uncordon');
    await site.done(await site.apply(one('filler', 400, 'host-2')));
    process.kill(site.system.child('agent-1').pid ?? 0, 'SIGSTOP');
    const operation = await site.until('it is recovered by itself', 30_000, async () => {
      const [found] = (await site.get('/v1/operations?kind=host.recover')).body.items;
      return found?.state === 'stuck' ? found : undefined;
    });
    expect(operation).toMatchObject({
      requestedBy: 'site',
      stuck: {
        step: 'restart elsewhere',
        error: { code: 'placement-infeasible', detail: expect.stringContaining('1 of bronze (bronze)') },
      },
      notes: [expect.objectContaining({ about: 'bronze/app/0' })],
    });
    const { readFile } = await import('node:fs/promises');
    expect((await readFile(log, 'utf8')).trim().split('\n')).toHaveLength(2);
    const hostOf = async (id: string) => (await site.vees(id))[0].hostId;
    expect(await hostOf(gold.serviceId)).toBe('host-2');
    expect(await hostOf(bronze.serviceId)).toBe('host-1');

    // Room is made, and the operator says so.
    const [filler] = (await site.get('/v1/services?name=filler')).body.items;
    await site.done(await site.delete(`/v1/services/${filler.id}`));
    await site.post(`/v1/operations/${operation.id}/retry`);
    await site.until('it ends', 20_000, async () =>
      (await site.get(`/v1/operations/${operation.id}`)).body.state === 'completed' ? true : undefined,
    );
    expect(await hostOf(bronze.serviceId)).toBe('host-2');
    process.kill(site.system.child('agent-1').pid ?? 0, 'SIGCONT');
    await site.until('old copies are ended', 10_000, async () =>
      (await site.onHosts()).some((v) => v.hostId === 'host-1') ? undefined : true,
    );
    expect(await site.violations()).toEqual([]);
  }, 120_000);
});

describe('a site', () => {
  let site: TestSite;
  beforeAll(async () => {
    site = await TestSite.start();
  });
  afterAll(() => site.stop());

  it('goes down in order, and comes up in order with what it had running', async () => {
    const gold = await site.done(await site.apply(app('gold', 2, { slaClass: 'gold' })));
    const plain = await site.done(await site.apply(app('plain', 2)));
    const still = await site.done(await site.apply(app('still', 1)));
    await site.done(await site.post(`/v1/services/${still.serviceId}/suspend`));
    const [paused] = await site.vees(plain.serviceId);
    await site.done(await site.post(`/v1/vees/${paused.id}/pause`));
    const plan = await site.post('/v1/site/shutdown?dryRun=true');
    expect(plan.body.steps.slice(1, 3)).toEqual(['1. suspend acme:plain', '2. suspend acme:gold']);
    const down = await site.done(await site.post('/v1/site/shutdown'));
    const order = (await site.get(`/v1/operations?parent=${down.id}`)).body.items.map(
      (o: Json) => o.serviceId,
    );
    expect(order).toEqual([gold.serviceId, plain.serviceId]);
    expect((await site.onHosts()).filter((v) => v.state === 'ACTIVE')).toEqual([]);
    const late = await site.ended((await site.apply(app('late', 1))).body.id);
    expect(late).toMatchObject({ state: 'undone', error: { code: 'placement-infeasible' } });
    expect((await site.post('/v1/site/shutdown')).body.code).toBe('transition-illegal');

    await site.done(await site.post('/v1/site/power-up'));
    const phases = async () =>
      Promise.all(
        [gold, plain, still].map(async (o) => (await site.get(`/v1/services/${o.serviceId}`)).body.phase),
      );
    expect(await phases()).toEqual(['operating', 'operating', 'suspended']);
    expect((await site.vees(plain.serviceId)).map((v: Json) => v.state).sort()).toEqual(['ACTIVE', 'PAUSED']);
    await site.done(await site.post(`/v1/vees/${paused.id}/resume`));
    expect((await site.get('/v1/hosts')).body.items.map((h: Json) => h.cordoned)).toEqual([
      false,
      false,
      false,
    ]);
    expect(await site.violations()).toEqual([]);
    expect((await site.post('/v1/site/power-up')).body.code).toBe('transition-illegal');
  });

  it('is as it was when its shutdown is cancelled', async () => {
    await site.arm('agent', { activity: 'changeVee', occurrence: 3, when: 'before', act: 'hold' });
    const down = await site.post('/v1/site/shutdown');
    await site.held('agent');
    await site.post(`/v1/operations/${down.body.id}/cancel`);
    await site.release('agent');
    expect(await site.ended(down.body.id)).toMatchObject({ state: 'undone', error: { code: 'cancelled' } });
    const { body } = await site.get('/v1/services?phase=operating');
    expect(body.items.map((s: Json) => s.name).sort()).toEqual(['gold', 'plain']);
    expect((await site.get('/v1/hosts')).body.items.map((h: Json) => h.cordoned)).toEqual([
      false,
      false,
      false,
    ]);
    expect(await site.violations()).toEqual([]);
  });
});
