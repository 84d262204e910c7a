import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';
import { cliOf } from '../support/sluice-process';

describe('what people ask of placement', () => {
  let site: TestSite;
  let folder: string;
  let manifest: string;

  beforeAll(async () => {
    site = await TestSite.start();
    folder = await mkdtemp(join(tmpdir(), 'sluice-placement-'));
    manifest = join(folder, 'shop.yaml');
    await writeFile(manifest, JSON.stringify(manifestOf('shop')));
  });
  afterAll(async () => {
    await site?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = cliOf(
    () => site,
    () => folder,
  );

  it('tells how many more fit, and what keeps hosts from taking more', async () => {
    const size = ['--cpu-millis', '4000', '--memory-mib', '1'];
    const bySize = await run('capacity', ...size);
    expect(bySize).toMatchObject({ code: 0, out: expect.stringMatching(/^12 fit\.\n/) });
    expect(bySize.out).toMatch(/host-1\s+4\s+CPU/);
    expect(bySize.out).toContain('3 hosts: CPU');
    expect(JSON.parse((await run('--json', 'capacity', ...size, '--label', 'rack=r2')).out)).toMatchObject({
      fits: 4,
      hosts: [{ fits: 0 }, { fits: 4 }, { fits: 0 }],
    });
    // 100 thousandths of a core each, of three times 16,000.
    const byManifest = await run('capacity', '-f', manifest);
    expect(byManifest).toMatchObject({ code: 0, out: expect.stringMatching(/^240 fit, of 2 VEEs each\.\n/) });
    expect(byManifest.out).toMatch(/One more does not: No placement .* for \w+\/0/);
    expect(byManifest.out).toMatch(/host-1\s+0 %\s+100 %/);
    expect(await run('capacity', ...size, '--image', 'nowhere')).toMatchObject({
      code: 6,
      out: expect.stringContaining('3 hosts: the host lacks the image nowhere'),
    });
    for (const wrong of [[], ['--cpu-millis', '1'], [...size, '-f', manifest], [...size, '--label', 'x']])
      expect([wrong, (await run('capacity', ...wrong)).code]).toEqual([wrong, 2]);
    const tooMuch = await run('capacity', '--cpu-millis', '0', '--memory-mib', '1');
    expect(tooMuch).toMatchObject({ code: 2, err: expect.stringContaining('--cpu-millis') });
  }, 60_000);

  it('tells how few hosts would hold what runs here', async () => {
    const none = await run('sizing');
    expect(none).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^0 hosts like host-\d would hold 0 VEEs/),
    });
    await site.done(await site.apply(manifestOf('sized')));
    const size = ['--cpu-millis', '150', '--memory-mib', '1000'];
    // Two VEEs of 100 each.
    expect((await run('sizing', ...size)).out).toMatch(
      /^2 hosts of cpuMillis 150, memoryMiB 1000 would hold 2 VEEs/,
    );
    expect(
      JSON.parse((await run('--json', 'sizing', '--like', 'host-1', '--growth', '500')).out),
    ).toMatchObject({
      ...{ vees: 12, hosts: 1, atLeast: 1, size: 'like host-1', loads: { cpuMillis: 1_200 / 16_000 } },
    });
    for (const wrong of [['--like', 'host-1', ...size], size.slice(0, 2), ['--growth', 'much']])
      expect([wrong, (await run('sizing', ...wrong)).code]).toEqual([wrong, 2]);
    expect(await run('sizing', '--like', 'nowhere')).toMatchObject({
      ...{ code: 3, err: expect.stringContaining('There is no host nowhere') },
    });
    expect(await run('sizing', '--cpu-millis', '50', '--memory-mib', '1000')).toMatchObject({
      ...{ code: 2, err: expect.stringContaining('a VEE needs 100 of CPU, such a host has 50') },
    });
    await site.clean();
  }, 60_000);

  it('tells which losses the site would survive, and what they would strand', async () => {
    const crowded = join(folder, 'crowded.yaml');
    const capacity = { cpuMillis: 9_000, memoryMiB: 64 };
    const app = { name: 'app', image: 'busybox', capacity, instances: { min: 1, initial: 3, max: 3 } };
    await writeFile(crowded, JSON.stringify(manifestOf('crowded', { components: [app], topology: {} })));
    expect(await run('failover')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/one host: 3 of 3 \(100 %\)/),
    });
    expect((await run('apply', '-f', crowded, '--tenant', 'acme')).code).toBe(0);
    const told = await run('failover');
    expect(told.code).toBe(6);
    expect(told.out).toMatch(/one host: 0 of 3 \(0 %\)\n.*one zone: 0 of 3/);
    expect(told.out).toMatch(/Without host-1:\n {2}acme:crowded\/app\/\d \(bronze\): No placement/);
    expect((await run('failover', '--class', 'gold')).code).toBe(0);
    const small = await run('admit', '-f', manifest);
    expect(small).toMatchObject({ code: 0, out: expect.stringContaining('Admit: It has room') });
    expect(small.out).toMatch(/one host +0 of 3 +0 of 3 +3 of 3\n/);
    expect(small.out).toMatch(/\d+ more like it fit after it\./);
    expect(await run('admit', '-f', crowded)).toMatchObject({
      ...{ code: 6, out: expect.stringContaining('Refuse: No placement') },
    });
    expect((await run('failover', '--class', 'tin')).code).toBe(2);
    expect((await run('delete', 'service', 'crowded')).code).toBe(0);
    const worse = await run('admit', '-f', crowded, '--tenant', 'acme');
    expect(worse).toMatchObject({
      code: 6,
      out: expect.stringContaining('with it the loss of one of 3 hosts'),
    });
    expect((await run('admit', '-f', crowded, '--class', 'gold')).code).toBe(0);
  }, 60_000);

  it('places by another policy from the next decision on, in the API and in the worker', async () => {
    const hosts = async () =>
      new Set((await site.all('/v1/vees')).filter((v) => v.state === 'ACTIVE').map((v) => v.hostId)).size;
    const plan = async () => (await run('plan', '-f', manifest, '--tenant', 'acme')).out;
    expect((await run('policy', 'get')).out).toBe('placement: striping (from the settings)\n');
    expect(await plan()).toContain('the emptiest of the 3 hosts');
    expect(await run('policy', 'set', 'packing')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^placement: packing \(set \d+s ago by \S+\)\n$/),
    });
    expect(await plan()).toContain('the tightest fit of the 3 hosts');
    expect((await run('apply', '-f', manifest, '--tenant', 'acme')).code).toBe(0);
    expect(await hosts()).toBe(1);
    expect((await run('explain', 'shop/app/0')).out).toContain('(policy packing, greedy)');
    expect((await run('rebalance', '--dry-run')).out).toContain('1 of the 3 hosts that are open are in use');

    // To set what is set already is no event.
    for (const name of ['striping', 'striping']) await run('policy', 'set', name);
    expect((await run('scale', 'shop/app', '3')).code).toBe(0);
    expect(await hosts()).toBe(3);
    const events = JSON.parse(
      (await run('--json', 'events', '--subject', site.system.options.siteId ?? '')).out,
    ).items;
    expect(events.filter((e: { kind: string }) => e.kind === 'policy.placement')).toHaveLength(2);
    expect(JSON.parse((await run('--json', 'policy', 'get')).out)).toMatchObject({
      placement: { name: 'striping', since: expect.any(Number) },
      initial: { name: 'striping' },
    });

    // What was spread is brought together, by the same command that evens out under the other policy.
    await run('policy', 'set', 'packing');
    const dry = await run('rebalance', '--dry-run');
    expect(dry.out).toMatch(/move shop\/\w+\/\d to host-\d: host-\d is free then, and host-\d has room/);
    expect(dry.out).toContain('3 hosts are in use, and 1 afterwards\n  no plan would be better\n');
    expect(dry.out).toMatch(/host-\d is \d\.\d % full, and 0\.0 % then/);
    expect(await run('rebalance')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/moves were made: 3 of the hosts that are open were in use, and 1 are now/),
    });
    expect(await hosts()).toBe(1);
    expect((await run('check')).code).toBe(0);
    expect((await run('policy', 'set', 'hope')).code).toBe(2);
    const { status, body } = await site.send('PUT', '/v1/policies/placement', { body: { name: 'hope' } });
    expect([status, body.code, body.pointer]).toEqual([400, 'request-invalid', '/name']);
  }, 60_000);
});
