import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';
import { cliOf } from '../support/sluice-process';

let site: TestSite;
let folder: string;
const disk = randomBytes(1_500_000);

beforeAll(async () => {
  // So seldom that it looks only when it is told to.
  site = await TestSite.start({ hosts: 1, environment: { SLUICE_RECONCILE_MILLIS: '3600000' } });
  folder = await mkdtemp(join(tmpdir(), 'sluice-cli-images-'));
  await writeFile(join(folder, 'web.raw'), disk);
});
afterAll(async () => {
  await site?.stop();
  await rm(folder, { recursive: true, force: true });
});
const run = cliOf(
  () => site,
  () => folder,
);

describe('what a site looks for by itself', () => {
  const reconcile = async () =>
    JSON.parse((await run('--json', 'routine', 'list')).out).items.find(
      (r: { name: string }) => r.name === 'reconcile',
    );

  it('is listed with when it looks next, and paused, resumed and run by hand', async () => {
    const { out } = await run('routine', 'list');
    expect(out).toMatch(/reconcile +every 3600\.0 s +in \d+\.\d+ s/);
    expect(out).toMatch(/rebalance +never/);
    expect(await reconcile()).toMatchObject({ everyMillis: 3_600_000, paused: false });

    expect((await run('routine', 'pause', 'reconcile', '--reason', 'we look ourselves')).out).toBe(
      'reconcile: paused: we look ourselves\n',
    );
    const paused = await reconcile();
    expect(paused).toMatchObject({ paused: true, note: 'we look ourselves' });
    expect(paused.nextAt).toBeUndefined();
    // To pause what is paused is no mistake.
    expect((await run('routine', 'pause', 'reconcile')).code).toBe(0);

    const before = Date.now();
    expect((await run('routine', 'run', 'reconcile')).code).toBe(0);
    const last = await site.until('it has looked', 20_000, async () => {
      const look = (await reconcile()).last;
      return look?.state === 'completed' && look.at >= before - 1_000 ? look : undefined;
    });
    expect(last).toMatchObject({ found: 0 });
    expect(last.operationId).toBeUndefined();

    expect((await run('routine', 'resume', 'reconcile')).out).toBe('reconcile: every 3600.0 s\n');
    const resumed = await reconcile();
    expect(resumed).toMatchObject({ paused: false, nextAt: expect.any(Number) });
    expect(resumed.note).toBeUndefined();
    const kinds = (await site.all(`/v1/events?subject=${site.system.options.siteId}`)).map((e) => e.kind);
    expect(kinds.filter((k) => k.startsWith('routine.'))).toEqual([
      ...['routine.resumed', 'routine.run', 'routine.paused', 'routine.paused'],
    ]);
  }, 60_000);

  it('says how to make it look at all, and knows no other', async () => {
    const never = await run('routine', 'pause', 'rebalance');
    expect(never.code).not.toBe(0);
    expect(never.err).toContain('SLUICE_REBALANCE_MILLIS is 0');
    expect((await run('routine', 'run', 'dream')).code).toBe(2);
    expect((await site.post('/v1/routines/dream/run')).body).toMatchObject({ code: 'request-invalid' });
  });
});

describe('images of the registry, on the command line', () => {
  const image = (...args: string[]) => run('image', ...args);

  it('are registered, listed and fetched again', async () => {
    const file = join(folder, 'web.raw');
    const made = await image('register', file, '--least-memory-mib', '32');
    expect([made.code, made.out]).toEqual([
      0,
      expect.stringMatching(/^web@sha256:[0-9a-f]{64} is ready \(1500000 bytes\)/),
    ]);
    // The same again is the same.
    expect((await image('register', file, '--least-memory-mib', '32')).out).toBe(made.out);
    expect((await image('list')).out).toMatch(/web +site +raw +2 MiB +ready/);
    expect((await run('get', 'images')).out).toMatch(/web +site +raw +ready +1 /);
    const copy = join(folder, 'copy');
    expect((await image('pull', 'web', '-o', copy)).code).toBe(0);
    expect((await readFile(copy)).equals(disk)).toBe(true);
  });

  it('say what is wrong in terms of what was typed', async () => {
    const odd = join(folder, 'odd');
    await writeFile(odd, 'no disk');
    expect(await image('register', odd)).toMatchObject({ code: 2, err: expect.stringContaining('--format') });
    const refused = await image('register', odd, '--format', 'qcow2');
    expect([refused.code, refused.err]).toEqual([2, expect.stringContaining('no qcow2')]);
    expect((await image('register', '--from-url', 'http://127.0.0.1:1/x.raw')).err).toMatch(/--sha256/);
    expect((await image('delete', 'nothing')).code).toBe(3);
  });

  it('are shared, deprecated, cloned, and deleted when nothing uses them', async () => {
    expect((await image('share', 'web', '--with', 'acme')).out).toMatch(/is ready, shared with acme\n/);
    expect((await image('deprecate', 'web')).out).toMatch(/is deprecated/);
    expect((await image('undeprecate', 'site/web')).out).toMatch(/is ready/);
    expect((await image('clone', 'web', 'copy', '--tenant', 'acme')).out).toMatch(/^acme\/copy@sha256/);
    const capacity = { cpuMillis: 100, memoryMiB: 64, diskMiB: 2 };
    const components = [{ name: 'app', image: 'copy', capacity }];
    await site.done(await site.apply(manifestOf('shop', { components, topology: {} })));
    const used = await image('delete', 'acme/copy');
    expect([used.code, used.err]).toEqual([5, expect.stringContaining('service shop')]);
    expect((await image('delete', 'web', '--dry-run')).out).toMatch(/is used by nothing/);
    expect((await image('delete', 'web', '--json')).out).toContain('"removed":true');
    expect((await image('list')).out).not.toMatch(/^web/m);
    expect((await image('share', 'acme/copy', '--with', 'nobody')).err).toContain('no tenant "nobody"');
  });

  it('mean their newest version by their name, but for what is to be gone', async () => {
    for (const content of ['older', 'newer']) {
      const file = join(folder, `${content}.raw`);
      await writeFile(file, content.padEnd(512));
      expect((await image('register', file, '--name', 'twice')).code).toBe(0);
    }
    const newer = (await image('share', 'twice', '--with', 'acme')).out.slice(0, 'twice@sha256:'.length + 12);
    const { err, code } = await image('delete', 'twice');
    expect([code, err.match(/twice@sha256:[0-9a-f]{12}/g)?.length]).toEqual([2, 2]);
    const older = err.match(/twice@sha256:[0-9a-f]{12}/g)?.find((t) => t !== newer) ?? '';
    expect((await image('deprecate', older)).out).toMatch(/is deprecated/);
    expect((await image('delete', older)).code).toBe(0);
    expect((await image('delete', 'twice')).out).toContain(newer);
  });
});
