import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';
import { cliOf } from '../support/sluice-process';

/** Two fit on a host of 16 cores. */
const serviceOf = (name: string, initial: number, slaClass?: string) =>
  manifestOf(name, {
    components: [
      {
        ...{ name: 'app', image: 'busybox', capacity: { cpuMillis: 8_000, memoryMiB: 64 } },
        instances: { min: 1, initial, max: 9 },
      },
    ],
    topology: {},
    ...(slaClass ? { slaClass } : {}),
  });

/** Two of another component, of the same size. */
const larger = {
  components: ['app', 'extra'].map((name, n) => ({
    ...{ name, image: 'busybox', capacity: { cpuMillis: 8_000, memoryMiB: 64 } },
    instances: { min: 1, initial: n === 0 ? 4 : 2, max: 9 },
  })),
};

describe('the room that a site keeps for losses', () => {
  let site: TestSite;
  let folder: string;

  beforeAll(async () => {
    site = await TestSite.start();
    folder = await mkdtemp(join(tmpdir(), 'sluice-spare-'));
    for (const [name, initial] of [
      ['four', 4],
      ['one', 1],
    ] as const)
      await writeFile(join(folder, `${name}.yaml`), JSON.stringify(serviceOf(name, initial)));
  });
  afterAll(async () => {
    await site?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = cliOf(
    () => site,
    () => folder,
  );
  const failed = async (manifest: ReturnType<typeof serviceOf>) =>
    site.ended((await site.apply(manifest)).body.id);
  const gone = async (name: string) => {
    const service = (await site.all('/v1/services')).find(
      (s) => s.name === name && s.state !== 'DECOMMISSIONED',
    );
    await site.done(await site.delete(`/v1/services/${service?.id}`));
  };
  const file = (name: string) => join(folder, `${name}.yaml`);

  it('is none until somebody asks for it', async () => {
    expect(await run('spare', 'get')).toMatchObject({ code: 0, out: 'No room is kept for losses.\n' });
    expect(await run('spare', 'set', 'rack')).toMatchObject({ code: 2 });
    const { out } = await run('spare', 'set', 'host');
    expect(out).toMatch(/^Room is kept for the loss of any host, for what is at least bronze \(set .* by /);
    expect(JSON.parse((await run('--json', 'spare', 'get')).out)).toMatchObject({
      ...{ kept: true, lose: 'host', least: 'bronze', setBy: expect.any(String) },
    });
    const events = await site.all('/v1/events');
    expect(events.map((e) => e.message)).toContainEqual(
      expect.stringMatching(/keeps room for the loss of any host/),
    );
  });

  it('keeps out what would take it, says so, and says that giving it up would do', async () => {
    await site.done(await site.apply(serviceOf('four', 4)));
    // There is room for two more, which is what a host that is lost has.
    expect((await run('capacity', '-f', file('one'))).out).toMatch(/^0 fit, of 1 VEEs each\./);
    const dry = await run('apply', '-f', file('one'), '--tenant', 'acme', '--dry-run');
    expect(dry.out).toContain('with it there the loss of host-');
    expect(dry.out).toContain('without the room that is kept for the loss of any host');
    const operation = await failed(serviceOf('one', 1));
    expect(operation).toMatchObject({ error: { code: 'placement-infeasible' } });
    const scaled = await run('scale', 'four/app', '5', '--dry-run');
    expect(scaled.out).toContain('with it there the loss of host-');
    await writeFile(file('five'), JSON.stringify({ ...serviceOf('four', 4), ...larger }));
    const changed = await run('apply', '-f', file('five'), '--tenant', 'acme', '--dry-run');
    expect(changed.out).toMatch(/wave 1 of 1: .* room is kept for losses .* would leave no place for app/);
    const recomposed = await run('apply', '-f', file('five'), '--tenant', 'acme');
    expect(recomposed).toMatchObject({ code: 6 });
    const admitted = await run('admit', '-f', file('one'));
    expect(admitted).toMatchObject({ code: 6, out: expect.stringContaining('room is kept for losses') });
    expect((await run('capacity', '--cpu-millis', '1', '--memory-mib', '1')).out).toContain(
      'Room is kept for the loss of any host, and is counted here',
    );
    expect(await run('failover')).toMatchObject({ code: 0 });
  });

  it('is given up by a command, from the next decision on', async () => {
    expect(await run('spare', 'reset')).toMatchObject({ code: 0, out: 'No room is kept for losses.\n' });
    expect((await run('capacity', '-f', file('one'))).out).toMatch(/^2 fit, of 1 VEEs each\./);
    await site.done(await site.apply(serviceOf('two', 2)));
    expect(await run('failover')).toMatchObject({ code: 6 });
  });

  it('is only for what has the class that was asked for', async () => {
    await run('spare', 'set', 'host', '--class', 'gold');
    await gone('two');
    await site.done(await site.apply(serviceOf('bronze', 2)));
    await gone('bronze');
    const operation = await failed(serviceOf('gold', 2, 'gold'));
    expect(operation).toMatchObject({ error: { code: 'placement-infeasible' } });
  });
});
