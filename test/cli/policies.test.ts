import { appendFile, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';
import { cliOf } from '../support/sluice-process';

const CAPACITY = { cpuMillis: 16_000, memoryMiB: 16_384, diskMiB: 1_000_000, bandwidthKbps: 1_000_000 };

const ALGORITHM = join('examples', 'algorithms', 'close-lightest.js');

/** Takes the host that comes last, and breaks on whatever is named so. */
const MOODY = `module.exports = {
  takes: 'the last',
  score({ host, placing }) {
    if (placing.component === 'thrower') throw new Error('no mood for this');
    if (placing.component === 'looper') for (;;);
    if (placing.component === 'eater') for (const all = []; ; ) all.push(all.length);
    if (placing.component === 'liar') return Number.NaN;
    return -Number(host.labels.order);
  },
};`;

describe('policies that are set while a site runs', () => {
  let site: TestSite;
  let folder: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-policies-'));
    await copyFile(join('examples', 'policies', 'greenest.js'), join(folder, 'greenest.js'));
    await mkdir(join(folder, 'algorithms'));
    await copyFile(ALGORITHM, join(folder, 'algorithms', 'close-lightest.js'));
    await writeFile(join(folder, 'algorithms', 'notes.txt'), '');
    await writeFile(join(folder, 'moody.cjs'), MOODY);
    await writeFile(join(folder, 'broken.js'), 'module.exports = {');
    // Two hosts in each of two zones.
    const hosts = [1, 2, 3, 4].map((n) => ({
      ...{ id: `host-${n}`, driver: 'simulator', zone: `zone-${Math.ceil(n / 2)}`, capacity: CAPACITY },
      labels: { order: String(n), carbon: String(100 * Math.abs(n - 3)) },
      ...{ price: { perHour: n / 10, perCpuHour: 0.01 }, power: { idleWatts: 100 * n, peakWatts: 800 } },
    }));
    site = await TestSite.start({
      agents: [{ id: 'agent', hosts }],
      environment: { SLUICE_POLICY_DIR: folder, SLUICE_ALGORITHM_DIR: join(folder, 'algorithms') },
    });
  });
  afterAll(async () => {
    await site?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const run = cliOf(
    () => site,
    () => folder,
  );

  /** Where the first VEE of a service of one component is put, and why. */
  async function placed(name: string, component = 'app', initial = 1): Promise<string[]> {
    const capacity = { cpuMillis: 100, memoryMiB: 64 };
    const instances = { initial, max: initial };
    const components = [{ name: component, image: 'busybox', capacity, instances }];
    const operation = await site.done(await site.apply(manifestOf(name, { components, topology: {} })));
    return (await site.vees(operation.serviceId)).map((v) => v.hostId);
  }

  it('lists those that are there, and refuses those that are not, or can not be used', async () => {
    const { out } = await run('policy', 'list');
    for (const row of [/striping \* +built-in/, /weighted +built-in .*latency=1/, /greenest +plug-in/])
      expect(out).toMatch(row);
    const nobody = await run('policy', 'set', 'nobody');
    expect(nobody.code).toBe(2);
    expect(nobody.err).toContain('there is no placement policy nobody');
    expect(nobody.err).toContain('broken, greenest, moody');
    const broken = await run('policy', 'set', 'broken');
    expect(broken.code).not.toBe(0);
    expect(broken.err).toMatch(/The plug-in broken can't be used: it can't be loaded: SyntaxError/);
    for (const [set, why] of [
      ['weight=1', 'weighted has no parameter weight'],
      ['latency=-1', 'is below 0'],
      ['latency=much', 'takes a number'],
      ['latency', 'takes KEY=VALUE'],
    ] as const) {
      const { code, err } = await run('policy', 'set', 'weighted', '--set', set);
      expect([set, code, err]).toEqual([set, 2, expect.stringContaining(why)]);
    }
    const none = await run('policy', 'set', 'weighted', '--set', 'latency=0', '--set', 'striping=0');
    expect(none.err).toContain('weighted needs a weight above 0');
    const twice = await run('policy', 'set', 'weighted', '--set', 'latency=1', '--set', 'latency=2');
    expect(twice).toMatchObject({ code: 2, err: expect.stringContaining('--set latency is given twice') });
    const dry = await run('policy', 'set', 'greenest', '--dry-run');
    expect(dry.out).toMatch(
      /^greenest fullness=10 unlabelled=1000 would take the hosts in this order:\n[^\n]+\nhost-3 +0.0625\n/,
    );
    expect((await run('policy', 'set', 'broken', '--dry-run')).err).toContain("can't be loaded");
    const { ranked, ...rest } = JSON.parse(
      (await run('--json', 'policy', 'set', 'packing', '--dry-run')).out,
    );
    expect(rest).toMatchObject({ dryRun: true, placement: { name: 'packing' } });
    expect(ranked).toHaveLength(4);
    expect((await run('policy', 'get')).out).toBe('placement: striping (from the settings)\n');
  }, 60_000);

  it('weighs what it is told to, from the next decision on', async () => {
    const zonesOf = (hosts: readonly string[]) => new Set(hosts.map((h) => (h < 'host-3' ? 1 : 2))).size;
    expect((await run('policy', 'set', 'latency')).code).toBe(0);
    expect(new Set(await placed('near', 'app', 4)).size).toBe(1);
    expect((await run('policy', 'set', 'weighted', '--set', 'striping=1000')).out).toMatch(
      /^placement: weighted latency=1 packing=0 striping=1000 /,
    );
    expect(zonesOf(await placed('far', 'app', 4))).toBe(2);
    await run('policy', 'set', 'weighted', '--set', 'latency=100');
    expect(zonesOf(await placed('close', 'app', 4))).toBe(1);
    const { out } = await run('explain', 'close/app/0');
    expect(out).toContain(
      '(policy weighted latency=100 packing=0 striping=1, greedy): the best by weight of the 4 hosts',
    );
    expect((await run('rebalance', '--dry-run')).code).toBe(0);
  }, 60_000);

  it('places by a plug-in, in the API, in the worker and in the thread that plays things through', async () => {
    expect((await run('policy', 'set', 'greenest', '--set', 'fullness=1')).out).toMatch(
      /^placement: greenest fullness=1 unlabelled=1000 \(set /,
    );
    expect(await placed('green')).toEqual(['host-3']);
    expect((await run('explain', 'green/app/0')).out).toContain('the greenest of the 4 hosts');
    const manifest = join(folder, 'next.json');
    await writeFile(manifest, JSON.stringify(manifestOf('next')));
    expect((await run('plan', '-f', manifest, '--tenant', 'acme')).out).toContain('on host-3: the greenest');
    expect((await run('failover')).code).toBe(0);
    expect((await run('capacity', '-f', manifest)).code).toBe(0);
    expect((await run('rebalance', '--dry-run')).code).toBe(0);
    expect((await run('drain', 'host-3')).code).toBe(0);
    expect((await run('cordon', 'host-1')).code).toBe(0);
    expect((await run('uncordon', 'host-1')).code).toBe(0);
    expect((await run('policy', 'get')).out).not.toContain('switched out');
    const events = await site.all(`/v1/events?subject=${site.system.options.siteId}`);
    expect(events.filter((e) => e.kind === 'policy.switched-out')).toEqual([]);
    expect(await run('restore-host', 'host-3')).toMatchObject({ code: 0 });
  }, 90_000);

  it('counts what hosts cost and draw, says it in plans, and frees the dearest', async () => {
    const wrong = await run('policy', 'set', 'profit', '--set', 'paybackHours=0');
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining('is below 0.01') });
    expect((await run('policy', 'set', 'power-saving', '--set', 'headroomPercent=95')).code).toBe(2);
    expect((await run('policy', 'set', 'striping', '--set', 'measured=7')).code).toBe(2);
    await run('policy', 'set', 'striping');
    await placed('spent', 'app', 4);
    const set = ['energyPerKWh=0.5', 'benefitBronze=0.001', 'transferPerGiB=0.01'].flatMap((s) => [
      '--set',
      s,
    ]);
    const dry = await run('policy', 'set', 'profit', ...set, '--dry-run');
    expect(dry.out).toMatch(/would take the hosts in this order:\n[^\n]+\nhost-4 /);
    expect((await run('policy', 'set', 'profit', ...set)).code).toBe(0);
    const file = join(folder, 'priced.json');
    await writeFile(file, JSON.stringify(manifestOf('priced')));
    const plan = await run('plan', '-f', file, '--tenant', 'acme');
    expect(plan.out).toMatch(
      /the most profitable of the 4 hosts that can take it, at a loss of 0\.\d+ an hour/,
    );
    expect(plan.out).toMatch(/\n {2}hosting: \+0\.0\d+ an hour, \+\d\.\d+ a month, \+\d+\.?\d* W\n/);
    expect(await run('admit', '-f', file)).toMatchObject({
      code: 6,
      out: expect.stringMatching(
        /^Refuse: It has room, but would bring in 0\.002 an hour, and cost 0\.00\d+ of hosting\./,
      ),
    });
    const rebalance = JSON.parse((await run('--json', 'rebalance', '--dry-run')).out);
    expect(rebalance).toMatchObject({
      ...{ goal: 'cost', hostsInUse: { before: 4 }, payback: { hours: 24 } },
      cost: { moving: { sentMiB: expect.any(Number), money: expect.any(Number) } },
    });
    expect(rebalance.costPerHour.after).toBeLessThan(rebalance.costPerHour.before);
    expect(rebalance.hostsInUse.after).toBeLessThan(4);
    expect((await run('rebalance', '--dry-run')).out).toMatch(
      /in 24 hours that saves \d+\.?\d*, for moves that cost/,
    );
    const [first] = JSON.parse((await run('--json', 'get', 'hosts')).out).items;
    expect(first).toMatchObject({ id: 'host-1', price: { perHour: 0.1 }, power: { peakWatts: 800 } });
    expect((await run('policy', 'set', 'power-saving')).code).toBe(0);
    expect((await run('rebalance', '--dry-run')).out).toMatch(
      /hosts in use draw about [\d.]+ W, and [\d.]+ W afterwards/,
    );
  }, 60_000);

  it('spreads over zones, and keeps what is preferred where it can', async () => {
    await run('policy', 'reset');
    const placement = {
      spread: [{ component: 'app' }],
      require: [
        { component: 'app', expression: 'host.capacity.cpuMillis >= 1000 && has(host.labels.carbon)' },
      ],
      assignment: [{ component: 'app', labels: { order: '1' }, weight: 2 }],
    };
    const capacity = { cpuMillis: 100, memoryMiB: 64 };
    const components = [{ name: 'app', image: 'busybox', capacity, instances: { initial: 3, max: 3 } }];
    const manifest = manifestOf('even', { components, topology: {}, placement });
    const { serviceId } = await site.done(await site.apply(manifest));
    const hosts = (await site.vees(serviceId)).map((v) => v.hostId);
    expect(hosts).toContain('host-1');
    expect(Math.abs(hosts.filter((h) => h < 'host-3').length - 1.5)).toBe(0.5);
    const explained = await run('explain', 'even/app/0');
    expect(explained.out).toMatch(
      /the only one of the \d hosts that can take it that keeps what is preferred/,
    );
    expect(explained.out).toMatch(/host-2 .* assignment\(app\) \(weight 2\): it lacks the label order=1/);
    expect((await run('check')).code).toBe(0);
    // Nothing is moved away from what it prefers; whoever changes a preference moves nothing either.
    expect((await run('rebalance')).code).toBe(0);
    expect((await site.vees(serviceId)).map((v) => v.hostId)).toContain('host-1');
    const other = { ...placement, assignment: [{ component: 'app', labels: { order: '4' }, weight: 9 }] };
    const changed = join(folder, 'even.json');
    await writeFile(changed, JSON.stringify({ ...manifest, placement: other }));
    expect((await run('apply', '-f', changed, '--tenant', 'acme')).code).toBe(0);
    expect((await site.vees(serviceId)).map((v) => v.hostId)).toContain('host-1');
  }, 60_000);

  it('takes the host that a component ranks highest, and leaves it there', async () => {
    const placement = { rank: [{ component: 'app', expression: 'int(host.labels.order)' }] };
    const components = [{ name: 'app', image: 'busybox', capacity: { cpuMillis: 4_000, memoryMiB: 64 } }];
    const manifest = manifestOf('ranked', { components, topology: {}, placement });
    const { serviceId } = await site.done(await site.apply(manifest));
    expect((await site.vees(serviceId)).map((v) => v.hostId)).toEqual(['host-4']);
    const { out } = await run('explain', 'ranked/app/0');
    expect(out).toContain('the best by its rank, then by the policy, of the 4 hosts that can take it');
    expect(out).toMatch(/HOST +RANK +SCORE/);
    expect((await run('rebalance')).code).toBe(0);
    expect((await site.vees(serviceId)).map((v) => v.hostId)).toEqual(['host-4']);
    const wrong = { rank: [{ component: 'app', expression: 'host.labels.order == "1"' }] };
    const file = join(folder, 'wrong.json');
    await writeFile(file, JSON.stringify({ ...manifest, placement: wrong }));
    const refused = await run('validate', '-f', file);
    expect(refused.code).not.toBe(0);
    expect(`${refused.out}${refused.err}`).toContain('/placement/rank/0/expression');
  }, 60_000);

  it.each([
    ['throws', 'thrower', /no mood for this/],
    ['loops', 'looper', /it took more than 1000 ms for one decision/],
    ['takes memory without end', 'eater', /took more than (64|256) MiB/],
    [
      'answers with what is no score',
      'liar',
      /its score of host host-1 is NaN, and has to be a number from -1e9 to 1e9/,
    ],
  ])(
    'switches a plug-in out that %s, and goes on',
    async (_, component, because) => {
      const switchedOut = async () =>
        (await site.all(`/v1/events?subject=${site.system.options.siteId}`)).filter(
          (e) => e.kind === 'policy.switched-out',
        );
      const before = (await switchedOut()).length;
      expect((await run('policy', 'set', 'moody')).code).toBe(0);
      expect(await placed(`mild-${component}`)).toEqual(['host-4']);
      const [hostId] = await placed(`with-${component}`, component);
      expect(hostId).toMatch(/^host-\d$/);
      expect((await run('explain', `with-${component}/${component}/0`)).out).toContain(
        '(policy striping, greedy)',
      );
      const { out } = await run('policy', 'get');
      expect(out).toContain('placement: striping (from the settings)\n');
      expect(out).toContain('moody was switched out');
      expect(out).toMatch(because);
      const told = await switchedOut();
      expect(told).toHaveLength(before + 1);
      expect(told[0].message).toMatch(because);
      expect((await run('check')).code).toBe(0);
      // Nothing is left of that once somebody decides anew.
      expect((await run('policy', 'reset')).out).toBe('placement: striping (from the settings)\n');
    },
    60_000,
  );

  it('answers questions without a plug-in that breaks, and switches it out only for a decision', async () => {
    expect((await run('policy', 'set', 'moody')).code).toBe(0);
    const manifest = join(folder, 'asked.json');
    const components = [{ name: 'thrower', image: 'busybox', capacity: { cpuMillis: 100, memoryMiB: 64 } }];
    await writeFile(manifest, JSON.stringify(manifestOf('asked', { components, topology: {} })));
    expect((await run('capacity', '-f', manifest)).code).toBe(0);
    const dry = await run('plan', '-f', manifest, '--tenant', 'acme');
    expect(dry.out).toContain('the emptiest of the');
    expect((await run('policy', 'get')).out).toMatch(/^placement: moody \(set \d+s ago by \S+\)\n$/);
    // What it was set to is another policy than what is in its file now.
    await writeFile(join(folder, 'moody.cjs'), MOODY.replace('the last', 'the very last'));
    const fault = 'its file is another one than when it was set';
    expect((await run('policy', 'get')).out).toContain(
      `It will be switched out at the next decision: ${fault}.`,
    );
    await placed('decided');
    expect((await run('policy', 'get')).out).toContain(`moody was switched out`);
    const alerts = (await run('events', '--alerts')).out;
    expect(alerts).toContain(`the placement policy moody broke (${fault}): striping decides from now on`);
  }, 60_000);

  it('asks an algorithm of somebody else when hosts are to be freed, and no more once it breaks', async () => {
    expect((await run('algorithm', 'list')).out).toMatch(
      /close-lightest +disabled *\nnotes.txt is no plug-in: its name ends with/,
    );
    expect((await run('algorithm', 'enable', 'nobody')).code).toBe(3);
    expect((await run('algorithm', 'enable', 'close-lightest')).out).toMatch(
      /close-lightest +enabled for .* closes the lightest hosts first/,
    );
    // Three that are too large for two hosts, whatever the sums say: no bound settles it at once.
    const large = { name: 'app', image: 'busybox', capacity: { cpuMillis: 9_600, memoryMiB: 64 } };
    const three = { ...large, instances: { initial: 3, max: 3 } };
    await site.done(await site.apply(manifestOf('large', { components: [three], topology: {} })));
    await run('policy', 'set', 'packing');
    const plugin = join(folder, 'algorithms', 'close-lightest.js');
    await appendFile(plugin, '// Another one by now.');
    const dry = JSON.parse((await run('--json', 'rebalance', '--dry-run')).out);
    expect(dry).toMatchObject({ tookMillis: expect.any(Number), avoided: expect.any(Array) });
    const because = 'its file is another one than when it was set';
    const broken = { solver: 'algorithm close-lightest', because, broken: true };
    expect(dry.optimality.asked).toContainEqual(broken);
    expect(dry.optimality.gap).toBe(0);
    expect((await run('algorithm', 'list')).out).toContain(`will be switched out: ${because}`);
    // A dry run has switched nothing out.
    expect((await run('rebalance')).code).toBe(0);
    expect((await run('algorithm', 'list')).out).toMatch(
      /close-lightest +switched-out for .*its file is another/,
    );
    const alerts = await site.all(`/v1/events?subject=${site.system.options.siteId}`);
    expect(alerts.filter((e) => e.kind === 'algorithm.switched-out')).toEqual([
      expect.objectContaining({ alert: true, message: expect.stringContaining(because) }),
    ]);
    expect((await run('algorithm', 'enable', 'close-lightest')).out).toContain('enabled for');
    expect((await run('algorithm', 'disable', 'close-lightest')).out).toMatch(/close-lightest +disabled/);
    expect((await run('policy', 'reset')).code).toBe(0);
  }, 60_000);
});
