import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exitCodeOf } from '../../cli/exit-codes';
import { createProgram } from '../../cli/program';
import { ERROR_CODES } from '../../domain/errors';
import { manifestOf } from '../support/manifests';
import { SimulatedHosts } from '../support/simulated-hosts';
import { TestSite } from '../support/site';
import { sluiceIn } from '../support/sluice-process';

describe('the command line', () => {
  let site: TestSite;
  let folder: string;
  let manifest: string;

  beforeAll(async () => {
    site = await TestSite.start();
    folder = await mkdtemp(join(tmpdir(), 'sluice-cli-'));
    manifest = join(folder, 'shop.yaml');
    await writeFile(manifest, JSON.stringify(manifestOf('shop')));
  });
  afterAll(() => site.stop());

  async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    return runWith(
      { SLUICE_URL: site.system.access.apiUrl, SLUICE_TOKEN: site.system.access.token },
      ...args,
    );
  }
  async function runWith(
    env: Record<string, string>,
    ...args: string[]
  ): Promise<{ code: number; out: string; err: string }> {
    const { code, stdout, stderr } = await sluiceIn({ ...process.env, ...env }, folder, args);
    return { code, out: stdout, err: stderr };
  }

  it('leads a service through its life', async () => {
    expect(await run('validate', '-f', manifest)).toMatchObject({
      code: 0,
      out: expect.stringContaining('is valid'),
    });
    expect(await run('plan', '-f', manifest, '--tenant', 'acme')).toMatchObject({
      code: 0,
      out: expect.stringContaining('create db/0 on host-'),
    });
    const applied = await run('apply', '-f', manifest, '--tenant', 'acme');
    expect(applied).toMatchObject({
      code: 0,
      out: expect.stringMatching(/activate app\/0 done[\s\S]*service\.provision op-\w+ completed after/),
    });
    expect((await run('scale', 'shop/app', '3')).code).toBe(0);
    expect((await run('migrate', 'shop/db/0')).code).toBe(0);
    expect((await run('pause', 'shop/db/0')).code).toBe(0);
    expect((await run('resume', 'shop/db/0')).code).toBe(0);
    expect((await run('suspend', 'shop')).code).toBe(0);
    expect((await run('resume', 'shop')).code).toBe(0);
    expect((await run('resize', 'shop/db/0', '--cpu-millis', '150')).code).toBe(0);
    expect(await run('get', 'services')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/shop\s+acme\s+operating\s+db=1 app=3/),
    });
    expect((await run('get', 'vees')).out.match(/ACTIVE\s+\S+\s+host-/g)).toHaveLength(4);
    expect(await run('explain', 'shop/app/0')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/Placed on host-\d \(policy striping, greedy\)/),
    });
    expect(await run('logs', 'shop/app/0')).toMatchObject({ code: 0, out: 'simulated app/0 is ACTIVE\n' });
    expect((await run('events', '--service', 'shop')).out).toMatch(
      /service\.operating\s+shop\s+shop is operating/,
    );
    const operations = (await run('get', 'operations')).out;
    expect(operations).toMatch(/service\.scale\s+shop\s+completed/);
    expect(operations).toMatch(/vee\.migrate\s+shop\/db\/0\s+completed/);
    expect((await run('usage', '--service', 'shop')).out).toMatch(/app\/2/);
    expect(await run('check')).toMatchObject({
      code: 0,
      out: expect.stringContaining('A VEE runs on at most one host'),
    });
    expect(JSON.parse((await run('--json', 'status')).out)).toMatchObject({
      services: 1,
      hostsUp: 3,
      status: 'ready',
    });
    expect(await run('delete', 'service', 'shop', '--dry-run')).toMatchObject({
      code: 0,
      out: expect.stringContaining('destroy app/0 on host-'),
    });
    const deleted = JSON.parse((await run('--json', 'delete', 'service', 'shop')).out);
    expect(deleted).toMatchObject({ kind: 'service.decommission', state: 'completed' });
  }, 120_000);

  it('finds drift, says what it would do, mends it, and lists what it has found', async () => {
    await run('apply', '-f', manifest, '--tenant', 'acme');
    const app = JSON.parse((await run('--json', 'get', 'vee', 'shop/app/0')).out);
    expect(await run('reconcile', '--dry-run')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/Plan for site\.reconcile \(nothing was changed\):\n {2}nothing to do/),
    });
    await new SimulatedHosts(site).become(app.hostId, app.id, 'EXITED');
    const step = `start app/0 on ${app.hostId}: wrong-state, recorded ACTIVE, reported EXITED`;
    await site.until('it is found', 10_000, async () =>
      (await run('reconcile', '--dry-run')).out.includes(step) ? true : undefined,
    );
    expect((await run('reconcile', '--dry-run', '--kind', 'extra', 'missing')).out).toContain(
      'nothing to do',
    );
    expect(JSON.parse((await run('--json', 'reconcile', '--report')).out).state).toBe('completed');
    expect((await run('get', 'drift')).out).toMatch(
      /app\/0\s+host-\d\s+wrong-state\s+ACTIVE@1\s+EXITED@1\s+start/,
    );
    expect(await run('reconcile', '--host', app.hostId)).toMatchObject({
      code: 0,
      out: expect.stringMatching(/start app\/0 done[\s\S]*site\.reconcile op-\w+ completed after/),
    });
    expect(JSON.parse((await run('--json', 'get', 'drift')).out)).toEqual({ items: [] });
    expect(await run('reconcile', '--host', 'nowhere')).toMatchObject({ code: 3 });
    expect(await run('reconcile', '--kind', 'odd')).toMatchObject({ code: 2 });
    const check = await run('check');
    expect([check.code, check.out.match(/^[1-9] .* 0$/gm)?.length]).toEqual([0, 9]);
    await run('delete', 'service', 'shop');
  }, 60_000);

  it('cordons hosts and says why nothing fits, with exit code 6', async () => {
    for (const h of ['host-1', 'host-2', 'host-3'])
      expect(await run('cordon', h)).toMatchObject({ code: 0, out: `${h} is cordoned\n` });
    expect(await run('plan', '-f', manifest, '--tenant', 'acme')).toMatchObject({
      code: 6,
      out: expect.stringContaining('host-2: the host is cordoned'),
    });
    expect(await run('apply', '-f', manifest, '--tenant', 'acme')).toMatchObject({
      code: 6,
      out: expect.stringContaining('undone'),
    });
    for (const h of ['host-1', 'host-2', 'host-3']) await run('uncordon', h);
  });

  it('names what stays of a drain that is cancelled: migrations that were over by then', async () => {
    await run('apply', '-f', manifest, '--tenant', 'acme');
    const { hostId } = JSON.parse((await run('--json', 'get', 'vee', 'shop/db/0')).out);
    await site.arm('site', { activity: 'verifyDrained', occurrence: 1, when: 'before', act: 'hold' });
    const { id } = JSON.parse((await run('--json', 'drain', hostId, '--no-wait')).out);
    await site.held('site');
    expect((await run('operation', 'cancel', id)).code).toBe(0);
    await site.release('site');
    await site.disarm();
    expect(await run('operation', 'watch', id)).toMatchObject({
      code: 1,
      out: expect.stringMatching(
        /undone after .*\n {2}1 of its parts had completed and stays so: service\.migrate shop \(op-\w+\)\n$/,
      ),
    });
    expect((await run('get', 'operations')).out).toMatch(new RegExp(`host\\.drain\\s+${hostId}\\s+undone`));
    await run('delete', 'service', 'shop');
  });

  it.each([
    ['an unknown command', ['fly'], 2, /unknown command 'fly'/],
    ['a missing option', ['apply'], 2, /required option '-f, --file/],
    ['a file that is not there', ['validate', '-f', '/nowhere.yaml'], 2, /nowhere.yaml can't be read/],
    ['an unknown resource', ['get', 'unicorns'], 2, /no resource "unicorns"/],
    ['an unknown service', ['scale', 'nope/app', '2'], 3, /no service "nope"/],
    ['an unknown operation', ['operation', 'watch', 'op-0'], 3, /Not found/],
    ['a count that is none', ['scale', 'shop/app', 'many'], 2, /takes a whole number from 0 up, not "many"/],
    ['a count below none', ['scale', 'shop/app', '--', '-1'], 2, /takes a whole number from 0 up, not "-1"/],
    ['a resize to nothing', ['resize', 'shop/app/0'], 2, /^Give --cpu-millis, --memory-mib or both\.\n$/],
    [
      'a limit that is none',
      ['events', '--limit', '0'],
      2,
      /^The request does not fit its schema: --limit: /,
    ],
    [
      'a tenant that is left out',
      ['apply', '-f', 'examples/webshop.yaml'],
      2,
      /: Operators must .*--tenant NAME\.\n$/,
    ],
    ['an unknown shell', ['completion', 'cmd'], 2, /No completion for "cmd"/],
  ])('answers %s', async (_, args, code, message) => {
    const result = await run(...(args as string[]));
    expect([result.code, result.out]).toEqual([code, '']);
    expect(result.err).toMatch(message as RegExp);
    expect(result.err).not.toMatch(/\bat .*\.js:\d+/);
  });

  it('names what was typed when the API refuses it', async () => {
    const file = join(folder, 'typed.yaml');
    await writeFile(file, JSON.stringify(manifestOf('typed')));
    expect((await run('apply', '-f', file, '--tenant', 'acme')).code).toBe(0);
    for (const [args, code, message] of [
      [['scale', 'typed/app', '21'], 2, /: <instances>: app takes 1 to 20 instances, not 21\.\nHint: /],
      [['migrate', 'typed', '--deadline', '0s'], 2, /schema: --deadline \(in ms\): Too small: .*>=1\n$/],
      [['migrate', 'typed', '--from', 'nohost'], 3, /^Not found: --from: There is no host "nohost"\.\n/],
    ] as const) {
      const result = await run(...args, '--dry-run');
      expect([args, result.code, result.err]).toEqual([args, code, expect.stringMatching(message)]);
    }
  });

  it('answers errors as JSON too, whoever found them', async () => {
    for (const [args, code] of [
      [['frob'], 2],
      [['get', 'unicorns'], 2],
      [['apply', '-f', '/nowhere.yaml'], 2],
      [['get', 'services', 'nope'], 3],
      [['operation', 'watch', 'op-0'], 3],
    ] as const) {
      const result = await run(...args, '--json');
      const said = { code: expect.any(String), detail: expect.any(String), exitCode: code };
      expect([args, result.code, JSON.parse(result.out)]).toEqual([
        args,
        code,
        expect.objectContaining(said),
      ]);
    }
  });

  it('says that the same manifest changes nothing, and plans nothing for it', async () => {
    const same = join(folder, 'same.yaml');
    await writeFile(same, JSON.stringify(manifestOf('same')));
    expect((await run('apply', '-f', same, '--tenant', 'acme')).code).toBe(0);
    expect(await run('apply', '-f', same, '--tenant', 'acme')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^Unchanged: service\.provision/),
    });
    expect(await run('plan', '-f', same, '--tenant', 'acme')).toMatchObject({
      code: 0,
      out: expect.stringContaining('nothing to do'),
    });
    await writeFile(same, JSON.stringify(manifestOf('same', { description: 'other' })));
    expect(await run('plan', '-f', same, '--tenant', 'acme')).toMatchObject({
      code: 0,
      out: expect.stringContaining('nothing to do'),
    });
    expect((await run('delete', 'service', 'acme:same')).code).toBe(0);
    expect((await run('usage', '--service', 'same')).out).toContain('app/0');
    expect((await run('get', 'services')).out).not.toContain('same');
    expect((await run('get', 'services', '--all')).out).toContain('same');
  });

  it('re-composes a service that is there with another manifest, and says so first', async () => {
    const file = join(folder, 'changing.yaml');
    const capacity = { cpuMillis: 100, memoryMiB: 64 };
    const app = { name: 'app', image: 'busybox', capacity };
    await writeFile(file, JSON.stringify(manifestOf('changing', { components: [app], topology: {} })));
    expect((await run('apply', '-f', file, '--tenant', 'acme')).code).toBe(0);
    const wanted = { components: [{ ...app, command: ['/bin/new'] }], topology: {} };
    await writeFile(file, JSON.stringify(manifestOf('changing', wanted)));
    expect(await run('plan', '-f', file, '--tenant', 'acme')).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^svc-\w+ is there with another manifest: the difference\.\nPlan for service\.recompose \(nothing was changed\):\n {2}replace app\/0 on host-\d: its command changed\n {2}wave 1 of 1: create app\/1 on host-\d \(.*\); destroy app\/0/,
      ),
    });
    expect(await run('apply', '-f', file, '--tenant', 'acme')).toMatchObject({
      code: 0,
      out: expect.stringMatching(
        /^svc-\w+ is there with another manifest: re-composing it\.[\s\S]*service\.recompose op-\w+ completed after/,
      ),
    });
    expect((await run('apply', '-f', file, '--tenant', 'acme')).out).toMatch(
      /^Unchanged: service\.recompose/,
    );
  });

  it('says what failed and was kept, with exit code 1, and makes it good when applied again', async () => {
    const file = join(folder, 'kept.yaml');
    const capacity = { cpuMillis: 100, memoryMiB: 64 };
    const components = ['a', 'b'].map((name) => ({ name, image: 'busybox', capacity }));
    const kept = { components, topology: {}, provisioning: { onFailure: 'keep' } };
    await writeFile(file, JSON.stringify(manifestOf('kept', kept)));
    await site.arm('agent', { activity: 'awaitReady', occurrence: 2, when: 'before', act: 'fail' });
    expect(await run('apply', '-f', file, '--tenant', 'acme')).toMatchObject({
      code: 1,
      out: expect.stringMatching(
        /failed in part after .*; what it had done is kept, as the manifest says:\n {2}[ab]\/0: Injected before awaitReady/,
      ),
    });
    expect(await run('apply', '-f', file, '--tenant', 'acme')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/making good what is missing\.[\s\S]*service\.recompose op-\w+ completed/),
    });
  });

  it('points at line and field of a manifest that is wrong', async () => {
    const wrong = join(folder, 'wrong.yaml');
    await writeFile(
      wrong,
      'apiVersion: sluice/v1\nkind: Service\nname: x\ncomponents:\n  - name: a\n    image: busybox\n    capacity: { cpuMillis: 1, memoryMB: 2 }\n',
    );
    const result = await run('validate', '-f', wrong);
    expect(result.code).toBe(2);
    expect(result.err).toMatch(/line 7: \/components\/0\/capacity\/memoryMB: unknown field/);
  });

  it('says 4 to a token without the role, and 7 when nothing answers', async () => {
    const token = (await site.post('/v1/tenants/acme/tokens', { name: 'cli' })).body.token;
    expect(
      (await runWith({ SLUICE_URL: site.system.access.apiUrl, SLUICE_TOKEN: token }, 'get', 'hosts')).code,
    ).toBe(4);
    expect(
      (await runWith({ SLUICE_URL: 'http://127.0.0.1:9', SLUICE_TOKEN: 't' }, 'get', 'hosts')).code,
    ).toBe(7);
    expect(await runWith({ SLUICE_URL: '', SLUICE_TOKEN: '' }, 'get', 'hosts')).toMatchObject({
      code: 7,
      err: expect.stringContaining('sluice up'),
    });
  });

  it('tells what it found on this machine', async () => {
    const { out } = await run('--json', 'doctor');
    const { findings } = JSON.parse(out);
    expect(findings.map((f: { what: string }) => f.what)).toEqual([
      'Node.js',
      'Temporal',
      'MongoDB',
      'containers',
      'busybox image',
      'machines',
      'networks',
      'CBC',
    ]);
    expect(findings[0].state).toBe('ok');
  });

  it('completes in three shells, and each script is one that its shell can read', async () => {
    const script = (await run('completion', 'bash')).out;
    const child = spawn('bash', [
      '-c',
      `${script}\nCOMP_WORDS=(sluice delete ""); COMP_CWORD=2; _sluice; echo "\${COMPREPLY[@]}"`,
    ]);
    let out = '';
    child.stdout.on('data', (c) => {
      out += c;
    });
    await once(child, 'close');
    expect(out).toContain('service');
    expect((await run('completion', 'fish')).out).toContain('complete -c sluice');
    expect((await run('completion', 'zsh')).out).toContain('bashcompinit');
  });
});

it('describes every command and option', () => {
  const walk = (command: ReturnType<typeof createProgram>): void => {
    expect([command.name(), command.description()]).toEqual([command.name(), expect.stringMatching(/.{5,}/)]);
    for (const o of command.options)
      expect([o.long, o.description]).toEqual([o.long, expect.stringMatching(/.{3,}/)]);
    for (const c of command.commands) walk(c);
  };
  walk(createProgram());
});

it('has an exit code from 1 to 7 for every error', () => {
  for (const code of ERROR_CODES) expect([1, 2, 3, 4, 5, 6, 7]).toContain(exitCodeOf(code));
});
