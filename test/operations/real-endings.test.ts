import { readdir, readFile } from 'node:fs/promises';
import { containerObstacle } from '../../drivers/container/runtime';
import type { Json } from '../support/json';
import { TestSite } from '../support/site';

/** Of the one process that was started with just these arguments. */
async function pidOf(command: readonly string[]): Promise<number> {
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const found = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
    if (found === `${command.join('\0')}\0`) return Number(pid);
  }
  throw new Error(`no process runs ${command.join(' ')}`);
}

/** What really happens to processes: they end by themselves, or never begin. Only containers do that. */
(containerObstacle() ? describe.skip : describe)('a VEE whose process', () => {
  let site: TestSite;

  beforeAll(async () => {
    site = await TestSite.start({ hosts: 2, driver: 'container' });
  });
  afterAll(() => site.stop());

  const serviceOf = (name: string, command: string[], readiness?: Json) => ({
    apiVersion: 'sluice/v1',
    kind: 'Service',
    name,
    components: [
      {
        name: 'app',
        image: 'busybox',
        command,
        capacity: { cpuMillis: 100, memoryMiB: 16 },
        ...(readiness ? { readiness } : {}),
      },
    ],
  });
  const events = async (subject: string) =>
    (await site.get(`/v1/events?subject=${subject}`)).body.items.map((e: Json) => e.kind);

  it('ends by itself is seen, told once, found by the check, and started again', async () => {
    const { serviceId } = await site.done(await site.apply(serviceOf('short', ['/bin/sh', '-c', 'sleep 1'])));
    const [vee] = await site.vees(serviceId);
    await site.until('it is told', 10_000, async () =>
      (await events(vee.id)).includes('vee.exited') ? true : undefined,
    );
    expect((await site.get(`/v1/vees/${vee.id}`)).body).toMatchObject({
      state: 'ACTIVE',
      observed: 'EXITED',
    });
    expect(await site.violations()).toEqual([
      expect.stringContaining(`which does not run it: sluice restart ${vee.id}`),
    ]);
    await site.done(await site.post(`/v1/vees/${vee.id}/restart`));
    await site.until('it runs again', 5_000, async () =>
      (await site.get(`/v1/vees/${vee.id}`)).body.observed === 'ACTIVE' ? true : undefined,
    );
    expect((await events(vee.id)).filter((k: string) => k === 'vee.exited')).toHaveLength(1);
    await site.done(await site.delete(`/v1/services/${serviceId}`));
  });

  it('is killed from outside is started again by a reconciliation, as it was', async () => {
    const seconds = 86_400 + (process.pid % 10_000);
    const command = ['/bin/sleep', String(seconds)];
    const { serviceId } = await site.done(await site.apply(serviceOf('killed', command)));
    const [vee] = await site.vees(serviceId);
    const before = await pidOf(command);
    process.kill(before, 'SIGKILL');
    await site.until('it is told', 10_000, async () =>
      (await events(vee.id)).includes('vee.exited') ? true : undefined,
    );
    const operation = await site.done(await site.post('/v1/reconcile', {}));
    expect(operation.steps.map((s: Json) => s.name)).toEqual(['look', 'start app/0', 'close app/0']);
    expect(await pidOf(command)).not.toBe(before);
    expect((await site.vees(serviceId))[0]).toMatchObject({ hostId: vee.hostId, epoch: vee.epoch });
    expect(await events(vee.id)).toContain('vee.mended');
    expect(await site.violations()).toEqual([]);
    await site.done(await site.delete(`/v1/services/${serviceId}`));
  });

  it('ends can be neither resized nor migrated, and both say so without getting stuck', async () => {
    const { serviceId } = await site.done(
      await site.apply(serviceOf('gone', ['/bin/sh', '-c', 'sleep 0.6'])),
    );
    const [vee] = await site.vees(serviceId);
    await site.until('it is told', 10_000, async () =>
      (await events(vee.id)).includes('vee.exited') ? true : undefined,
    );
    for (const [verb, body] of [
      ['resize', { cpuMillis: 50 }],
      ['migrate', {}],
    ] as const) {
      const operation = await site.ended((await site.post(`/v1/vees/${vee.id}/${verb}`, body)).body.id);
      expect([verb, operation.state, operation.error.code]).toEqual([verb, 'undone', 'transition-illegal']);
    }
    await site.done(await site.delete(`/v1/services/${serviceId}`));
    expect(await site.violations()).toEqual([]);
  });

  it('dies before it is ready leaves its last words in the error', async () => {
    const dies = serviceOf('dies', ['/bin/sh', '-c', 'echo "no database at db:5432"; exit 3']);
    const operation = await site.ended((await site.apply(dies)).body.id);
    expect(operation).toMatchObject({
      state: 'undone',
      error: {
        code: 'vee-not-ready',
        detail: expect.stringContaining('Its last words: no database at db:5432'),
      },
    });
  });

  it('can’t be started at all is refused at once, with the runtime’s reason', async () => {
    const operation = await site.ended((await site.apply(serviceOf('nosuch', ['/usr/bin/nosuch']))).body.id);
    expect(operation).toMatchObject({
      state: 'undone',
      error: { code: 'driver-refused', detail: expect.stringMatching(/create failed: .*\/usr\/bin\/nosuch/) },
    });
    expect(operation.endedAt - operation.createdAt).toBeLessThan(5_000);
  });
});
