import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';
import { cliOf } from '../support/sluice-process';

describe('images of the registry, on the command line', () => {
  let site: TestSite;
  let folder: string;
  const disk = randomBytes(1_500_000);

  beforeAll(async () => {
    site = await TestSite.start({ hosts: 1 });
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
