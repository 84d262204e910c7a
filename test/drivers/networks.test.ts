import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostId } from '../../domain/ids';
import type { IngressRule, NetworkAttachment } from '../../domain/network/attachment';
import { createContainerDriver } from '../../drivers/container/driver';
import { containerObstacle } from '../../drivers/container/runtime';
import type { Driver, VeeSpec } from '../../drivers/contract';
import { run } from '../../drivers/lib/program';
import { isolatedHosts, removeForsaken, removeIsolatedHosts, siteTag } from '../../drivers/network/isolated';
import { networkObstacle, probeNetworks } from '../../drivers/network/probe';
import { Tools } from '../../drivers/network/tools';
import { attachedTo as on } from '../support/networks';
import { specFor } from '../support/specs';

const obstacle = networkObstacle() ?? containerObstacle();
// Visible in every run, and never on CI, which installs what is missing.
if (obstacle)
  it('needs a host that can have networks', () => {
    console.warn(`networks are not tested here: ${obstacle.missing} is missing (${obstacle.mend})`);
    expect(process.env.CI).toBeUndefined();
  });

(obstacle ? describe.skip : describe)('networks', () => {
  let dataDir: string;
  let hosts: { namespace: string; underlayAddress: string }[];
  const drivers: Driver[] = [];
  const made: VeeSpec[] = [];

  const create = async (index: number, name = `h${index + 1}`) => {
    const host = hosts[index];
    const driver = await createContainerDriver({
      ...{ hostId: name as HostId, dataDir: join(dataDir, name) },
      network: { domain: dataDir, ...(host ?? {}) },
    });
    await driver.setPeers?.(hosts.map((h) => h.underlayAddress));
    return driver;
  };

  beforeAll(async () => {
    // CI installs what is missing.
    expect(await probeNetworks()).toBeUndefined();
    dataDir = await mkdtemp(join(tmpdir(), 'sluice-networks-'));
    hosts = await isolatedHosts(dataDir, 2);
    // The third shares the second's machine.
    drivers.push(await create(0), await create(1), await create(1, 'h3'));
  }, 30_000);

  afterAll(async () => {
    for (const { veeId } of made)
      for (const driver of drivers) await driver.destroy({ veeId, epoch: 99 }).catch(() => undefined);
    for (const driver of drivers) await driver.close();
    const used = await removeIsolatedHosts(dataDir);
    await rm(dataDir, { recursive: true, force: true });
    expect(used).toEqual([]);
  });

  const driver = (host: number): Driver => drivers[host - 1] as Driver;

  /** It serves its own name, on two ports. */
  async function started(name: string, host: number, ...networks: NetworkAttachment[]): Promise<VeeSpec> {
    const serve = `echo ${name} > name; httpd -p 8081 -h .; exec httpd -f -p 8080 -h .`;
    const spec = {
      ...specFor(`vee-${name}-${process.pid}`, { command: ['sh', '-c', serve], stopGraceMillis: 0 }),
      networks,
    };
    made.push(spec);
    await driver(host).define(spec);
    await driver(host).start(spec);
    return spec;
  }

  const inside = async (spec: VeeSpec, host: number, ...command: string[]): Promise<string> =>
    (await driver(host).exec(spec, command)).stdout.trim();
  /** Who answers there; nobody within a second is ''. */
  const answers = (spec: VeeSpec, host: number, to: string): Promise<string> =>
    inside(spec, host, 'timeout', '1', 'wget', '-qO-', `http://${to}/name`);
  /** Who answers there before long: its server may just be beginning. */
  async function answersSoon(spec: VeeSpec, host: number, to: string): Promise<string> {
    for (const until = Date.now() + 10_000; ; ) {
      const found = await answers(spec, host, to);
      if (found !== '' || Date.now() >= until) return found;
    }
  }
  const devices = async (host: number): Promise<string[]> =>
    (await new Tools(hosts[Math.min(host, 2) - 1]?.namespace).links())
      .map(({ ifname }) => ifname)
      .filter((name) => name.startsWith('sl'));
  const pidOf = async (spec: VeeSpec, host: number): Promise<number> =>
    (await driver(host).inspect(spec.veeId, false))?.pid ?? 0;

  let web: VeeSpec;
  let app: VeeSpec;
  let db: VeeSpec;

  it('connect those on the same one, on whichever host, and no others', async () => {
    [web, app, db] = await Promise.all([
      started('web', 1, on(1, 1)),
      started('app', 2, on(1, 2), on(2, 2)),
      started('db', 3, on(2, 3)),
    ]);
    const all = [
      answersSoon(web, 1, '10.77.1.2:8080'),
      answersSoon(web, 1, '[fd77:1::2]:8080'),
      answersSoon(app, 2, '10.77.2.3:8080'),
      answersSoon(db, 3, '[fd77:2::2]:8080'),
      answers(web, 1, '10.77.2.3:8080'),
      answers(db, 3, '10.77.1.1:8080'),
    ];
    expect(await Promise.all(all)).toEqual(['app', 'app', 'db', 'app', '', '']);
  });

  it('carry nothing that says to come from another than it does', async () => {
    const wire = new Tools(`/proc/${await pidOf(web, 1)}/ns/net`);
    const asking = () => answers(web, 1, '10.77.1.2:8080');
    expect(await asking()).toBe('app');
    await wire.ip(['link set eth0 address 02:00:00:00:01:09']);
    expect(await asking()).toBe('');
    await wire.ip([
      'link set eth0 address 02:00:00:00:01:01',
      'addr flush dev eth0',
      'addr add 10.77.1.9/24 dev eth0',
    ]);
    expect(await asking()).toBe('');
    await wire.ip(['addr flush dev eth0', 'addr add 10.77.1.1/24 dev eth0']);
    expect(await answersSoon(web, 1, '10.77.1.2:8080')).toBe('app');
  });

  it('do not reach the host itself, by whatever address of it', async () => {
    const wire = new Tools(`/proc/${await pidOf(web, 1)}/ns/net`);
    const underlay = hosts[0]?.underlayAddress ?? '';
    await wire.ip([`route add ${underlay} dev eth0`]);
    expect(await answers(web, 1, `${underlay}:1`)).toBe('');
    const { stdout } = await run([...wire.prefix, 'ip', '-j', 'neigh', 'show', underlay]);
    const [found] = JSON.parse(stdout) as { state: string[]; lladdr?: string }[];
    expect([found?.lladdr, found?.state]).toEqual([undefined, [expect.stringMatching(/INCOMPLETE|FAILED/)]]);
  });

  it('let in what the rules say, and answers', async () => {
    const ingress: IngressRule[] = [
      { protocol: 'tcp', fromPort: 8_080, from: ['10.77.1.1', 'fd77:1::/127'] },
    ];
    const shut = await started('shut', 2, on(1, 4, { ingress }));
    const all = [
      answersSoon(web, 1, '10.77.1.4:8080'),
      answers(web, 1, '10.77.1.4:8081'),
      answers(app, 2, '10.77.1.4:8080'),
      answers(app, 2, '[fd77:1::4]:8080'),
      answersSoon(shut, 2, '10.77.1.2:8081'),
      answersSoon(shut, 2, '[fd77:1::2]:8081'),
    ];
    expect(await Promise.all(all)).toEqual(['shut', '', '', '', 'app', 'app']);
    await driver(2).destroy({ veeId: shut.veeId, epoch: 9 });
  });

  it.each([
    ['another machine', 1, 2],
    ['another host of the same machine', 2, 3],
  ])('follow a VEE to %s, with the addresses that it had', async (_, from, to) => {
    const moving = { ...web, epoch: web.epoch + 1 };
    const before = await inside(web, from, 'cat', '/sys/class/net/eth0/address');
    const offer = await driver(to).prepareTarget(moving);
    await driver(from).send(web, offer);
    await driver(to).switchOver(moving);
    await driver(from).finish({ ...moving });
    web = moving;
    made.push(web);
    expect([before, await inside(web, to, 'cat', '/sys/class/net/eth0/address')]).toEqual([
      web.networks?.[0]?.mac,
      before,
    ]);
    expect([
      await answersSoon(app, 2, '10.77.1.1:8080'),
      await answersSoon(web, to, '[fd77:1::2]:8080'),
    ]).toEqual(['web', 'app']);
  });

  it('go on without their agent, and are taken up by the next', async () => {
    const before = await devices(2);
    await driver(2).close();
    drivers[1] = await create(1, 'h2');
    expect((await driver(2).recover()).adopted).toEqual([app.veeId]);
    expect([await devices(2), await answersSoon(web, 3, '10.77.1.2:8080')]).toEqual([before, 'app']);
  });

  it('leave no namespaces of a site that was killed, and those of one that runs', async () => {
    const killed = await mkdtemp(join(tmpdir(), 'sluice-killed-'));
    const [host] = await isolatedHosts(killed, 1);
    const before = await readdir('/run/netns');
    const owner = join('/run/sluice/networks', `${await siteTag(killed)}.json`);
    await writeFile(owner, JSON.stringify({ dataDir: killed, process: { pid: 1, startTime: 'never' } }));
    await removeForsaken();
    await rm(killed, { recursive: true });
    const left = await readdir('/run/netns');
    expect([
      before.includes(host?.namespace ?? ''),
      left.includes(host?.namespace ?? ''),
      existsSync(owner),
    ]).toEqual([...[true, false, false]]);
    expect(left).toEqual(expect.arrayContaining(hosts.map((h) => h.namespace)));
  });

  it('are gone with their last VEE, also one that ended behind the agent’s back', async () => {
    expect(await devices(1)).toEqual([]);
    process.kill(await pidOf(app, 2), 'SIGKILL');
    drivers[1] = await create(1, 'h2');
    await driver(2).recover();
    for (const [spec, host] of [
      [app, 2],
      [web, 3],
      [db, 3],
    ] as const)
      await driver(host).destroy({ ...spec, epoch: 9 });
    const rules = await run([...new Tools(hosts[1]?.namespace).prefix, 'nft', 'list', 'tables']);
    expect([await devices(2), rules.stdout]).toEqual([[], '']);
  });
});
