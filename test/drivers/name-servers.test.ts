import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { HostId } from '../../domain/ids';
import type { NetworkAttachment } from '../../domain/network/attachment';
import type { NamedNetwork } from '../../domain/network/names';
import { createContainerDriver } from '../../drivers/container/driver';
import { containerObstacle } from '../../drivers/container/runtime';
import type { Driver, VeeSpec } from '../../drivers/contract';
import { isolatedHosts, removeIsolatedHosts } from '../../drivers/network/isolated';
import { networkObstacle } from '../../drivers/network/probe';
import { Tools } from '../../drivers/network/tools';
import { attachedTo } from '../support/networks';
import { specFor } from '../support/specs';

const obstacle = networkObstacle() ?? containerObstacle();
// Visible in every run, and never on CI, which installs what is missing.
if (obstacle)
  it('needs a host that can have networks', () => {
    console.warn(`name servers are not tested here: ${obstacle.missing} is missing (${obstacle.mend})`);
    expect(process.env.CI).toBeUndefined();
  });

/** Who it is. */
const SERVE = 'hostname > name; exec httpd -f -p 8080 -h .';

(obstacle ? describe.skip : describe)('name servers', () => {
  let dataDir: string;
  let hosts: { namespace: string; underlayAddress: string }[];
  const drivers: Driver[] = [];
  const made: { spec: VeeSpec; host: number }[] = [];
  const failures: unknown[] = [];
  /** What the site says, to each host. */
  const told = new Map<number, NamedNetwork[]>();

  const named = (net: number, names: NamedNetwork['names'], more: Partial<NamedNetwork> = {}) => ({
    ...{ networkId: `net-${net}`, vni: 4_000 + net, names },
    ...{ ipv4: `10.77.${net}.0/24`, ipv6: `fd77:${net}::/64` },
    ...more,
  });
  const numbered = (net: number, last: number) => attachedTo(net, last);

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'sluice-names-'));
    hosts = await isolatedHosts(dataDir, 2);
    drivers.push(await create(0), await create(1));
  }, 30_000);

  afterAll(async () => {
    for (const { spec, host } of made)
      await drivers[host]?.destroy({ ...spec, epoch: 99 }).catch(() => undefined);
    for (const driver of drivers) await driver.close();
    const used = await removeIsolatedHosts(dataDir);
    await rm(dataDir, { recursive: true, force: true });
    expect([used, failures]).toEqual([[], []]);
  });

  async function create(host: number): Promise<Driver> {
    const driver = await createContainerDriver({
      ...{ hostId: `h${host}` as HostId, dataDir: join(dataDir, `h${host}`) },
      network: { domain: dataDir, ...(hosts[host] ?? {}) },
      names: { read: async () => told.get(host), failed: (error) => failures.push(error) },
    });
    await driver.setPeers?.(hosts.map((h) => h.underlayAddress));
    return driver;
  }

  async function started(name: string, host: number, ...networks: NetworkAttachment[]): Promise<VeeSpec> {
    const spec = {
      ...specFor(`vee-${name}-${process.pid}`, { command: ['sh', '-c', SERVE], stopGraceMillis: 0 }),
      networks,
    };
    made.push({ spec, host });
    await drivers[host]?.define(spec);
    await drivers[host]?.start(spec);
    return spec;
  }

  const inside = async (spec: VeeSpec, host: number, ...command: string[]): Promise<string> =>
    (await drivers[host]?.exec(spec, command))?.stdout.trim() ?? '';

  /** What is found, by what resolv.conf says; or what it says that it was not. */
  async function asked(spec: VeeSpec, host: number, name: string, server = ''): Promise<string[]> {
    const command = ['timeout', '3', 'nslookup', name, ...(server ? [server] : [])];
    const answer = await inside(spec, host, ...command);
    const found = [...answer.matchAll(/^Address(?: \d+)?: (\S+)$/gm)].map(([, address]) => address ?? '');
    const why = /NXDOMAIN|REFUSED|no servers|timed out/.exec(answer)?.[0];
    return found.length > 0 ? found.sort() : [why ?? answer];
  }

  /** Until there are as many as that. */
  async function resolversAre(...counts: number[]): Promise<void> {
    for (let waited = 0; waited < 5_000; waited += 50) {
      const found = await Promise.all(counts.map(async (_, host) => (await resolvers(host)).length));
      if (found.join() === counts.join()) return;
      await delay(50);
    }
    throw new Error(`${JSON.stringify(await Promise.all(counts.map((_, host) => resolvers(host))))} answer`);
  }

  const resolvers = async (host: number): Promise<string[]> =>
    (await new Tools(hosts[host]?.namespace).links()).map((l) => l.ifname).filter((n) => n.startsWith('sld'));

  let app: VeeSpec;
  let web: VeeSpec;
  let far: VeeSpec;

  it('answer each VEE for the networks that it is on, and no others', async () => {
    const web0 = { name: 'web-0.shop', addresses: ['10.77.1.2', 'fd77:1::2'] };
    const front = named(1, [web0], {
      several: [{ addresses: ['10.77.1.3', 'fd77:1::3'], networks: ['net-1', 'net-2'] }],
    });
    const back = named(2, [{ name: 'db-0.shop', addresses: ['10.77.2.9'] }]);
    told.set(0, [front, back]);
    told.set(1, [front]);
    // Answers come in, where nothing else may.
    [web, app, far] = await Promise.all([
      started('web', 0, { ...numbered(1, 2), ingress: [] }),
      started('app', 0, numbered(1, 3), numbered(2, 3)),
      started('far', 1, numbered(1, 4)),
    ]);
    await resolversAre(2, 1);
    expect(
      await Promise.all([
        asked(app, 0, 'web-0.shop'),
        asked(app, 0, 'WEB-0.Shop', 'fd77:1::1'),
        asked(app, 0, 'db-0.shop'),
        asked(far, 1, 'web-0.shop'),
        asked(web, 0, 'db-0.shop'),
        asked(web, 0, 'example.org'),
      ]),
    ).toEqual([...Array(2).fill(web0.addresses), ['10.77.2.9'], web0.addresses, ['NXDOMAIN'], ['NXDOMAIN']]);
  });

  it('find what has come meanwhile, also for the C library of a VEE', async () => {
    told.get(0)?.splice(0, 1, named(1, [{ name: 'new.shop', addresses: ['10.77.1.4'] }]));
    let page = '';
    for (let waited = 0; page === '' && waited < 5_000; waited += 250) {
      page = await inside(web, 0, 'timeout', '2', 'wget', '-qO-', 'http://new.shop:8080/name');
      if (page === '') await delay(250);
    }
    expect([page, await asked(web, 0, 'web-0.shop')]).toEqual(['app-0', ['NXDOMAIN']]);
  });

  it('answer nobody on another host', async () => {
    told.set(1, []);
    await resolversAre(2, 0);
    const answer = await inside(far, 1, 'timeout', '1', 'nslookup', 'new.shop');
    expect(answer).not.toContain('Address: ');
  });

  it('come again with the next agent, and go with the last VEE', async () => {
    await drivers[0]?.close();
    await resolversAre(0, 0);
    drivers[0] = await create(0);
    await drivers[0].recover();
    await resolversAre(2, 0);
    expect(await asked(app, 0, 'db-0.shop')).toEqual(['NXDOMAIN']);
    await drivers[0].destroy({ ...app, epoch: 9 });
    await resolversAre(1, 0);
  });
});
