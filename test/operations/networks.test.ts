import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

const example = readFileSync(join(process.cwd(), 'examples', 'networks.yaml'), 'utf8');
const capacity = { cpuMillis: 100, memoryMiB: 64 };
const onLab = (name: string, initial: number) =>
  manifestOf(name, {
    networks: [{ name: 'lan', site: 'lab' }],
    components: [
      { name: 'app', image: 'busybox', capacity, networks: ['lan'], instances: { min: 0, initial, max: 9 } },
    ],
    topology: {},
  });

describe('networks of services', () => {
  let site: TestSite;
  let tenant: string;
  beforeAll(async () => {
    site = await TestSite.start({ environment: { SLUICE_BATCH_SIZE: '6' } });
    await site.post('/v1/tenants', { id: 'rival' });
    tenant = (await site.post('/v1/tenants/rival/tokens', { name: 'own' })).body.token;
  });
  afterAll(() => site.stop());

  const addressesOf = (vees: readonly Json[]) =>
    Object.fromEntries(
      vees.map((v) => [
        `${v.component}/${v.index}`,
        v.networks.flatMap((n: Json) => [...n.addresses, n.mac]),
      ]),
    );
  const told = async () => new Map((await site.onHosts()).map((v) => [v.veeId, v.networks]));

  it('give each VEE addresses that are its own for its whole life, and take them back', async () => {
    const headers = { 'content-type': 'application/yaml' };
    const { serviceId } = await site.done(
      await site.send('POST', '/v1/services?tenant=acme', { body: example, raw: true, headers }),
    );
    const first = addressesOf(await site.vees(serviceId));
    expect(Object.keys(first).sort()).toEqual(['app/0', 'app/1', 'db/0', 'proxy/0']);
    expect(first['db/0']).toEqual(['10.20.0.32', 'fd00:20::20', expect.stringMatching(/^02:/)]);
    expect(first['app/1']?.slice(0, 1)).toEqual(['10.128.0.33']);
    expect(await site.violations()).toEqual([]);

    await site.done(await site.post(`/v1/services/${serviceId}/components/app/scale`, { instances: 3 }));
    const [db, ...others] = (await site.vees(serviceId)).sort((a: Json) => (a.component === 'db' ? -1 : 1));
    await site.done(await site.post(`/v1/vees/${db.id}/migrate`, {}));
    await site.done(await site.post(`/v1/vees/${db.id}/restart`));
    const then = await site.vees(serviceId);
    expect(addressesOf(then)).toMatchObject(first);
    expect(then.find((v: Json) => v.id === db.id).hostId).not.toBe(db.hostId);
    expect(others).toHaveLength(4);
    const onHosts = await told();
    for (const { id, networks } of then) {
      expect(onHosts.get(id)?.map((n) => n.addresses.map((a) => a.address))).toEqual(
        networks.map((n: Json) => n.addresses),
      );
    }
    expect(await site.violations()).toEqual([]);

    const { items } = (await site.get('/v1/networks')).body;
    expect(items.map((n: Json) => [n.name, n.inUse]).sort()).toEqual([
      ['back', 4],
      ['front', 4],
    ]);
    expect(new Set(items.map((n: Json) => n.vni)).size).toBe(2);
    const agent = join(site.dataDir, 'agents', 'agent', 'agent.json');
    const token = JSON.parse(readFileSync(agent, 'utf8')).token;
    const { networks: named } = (await site.get('/v1/agents/names', token)).body;
    expect(named.flatMap((n: Json) => n.names).map((n: Json) => `${n.name} ${n.addresses}`)).toEqual(
      expect.arrayContaining(['db-0.tiers 10.20.0.32,fd00:20::20', 'app-2.tiers 10.128.0.34']),
    );
    expect(named.map((n: Json) => n.ipv4).sort()).toEqual(items.map((n: Json) => n.ipv4).sort());
    const several = named.flatMap((n: Json) => n.several.map((s: Json) => s.networks.length));
    expect(several.every((count: number) => count === 2) && several.length > 0).toBe(true);
    expect((await site.get('/v1/networks', tenant)).body.items).toEqual([]);
    expect((await site.get(`/v1/networks/${items[0].id}`, tenant)).status).toBe(404);

    const changed = example.replace('from: [proxy]', 'from: [proxy, db]');
    const recomposed = await site.done(
      await site.send('PUT', `/v1/services/${serviceId}`, { body: changed, raw: true, headers }),
    );
    expect(recomposed.steps.some((s: Json) => s.name.startsWith('define app/'))).toBe(true);
    expect(recomposed.steps.some((s: Json) => s.name.startsWith('define db/'))).toBe(false);
    expect(await site.violations()).toEqual([]);

    await site.done(await site.delete(`/v1/services/${serviceId}`));
    expect((await site.get('/v1/networks')).body.items).toEqual([]);
    expect(await site.violations()).toEqual([]);
  }, 60_000);

  it('leave nothing when a service is undone', async () => {
    const faults = [{ verb: 'start', call: 0, when: 'before', do: 'fail', code: 'driver-refused' } as const];
    for (const hostId of site.hostIds) await site.script(hostId, { faults });
    const app = { name: 'app', image: 'busybox', capacity, networks: ['lan'] };
    const manifest = manifestOf('undone', { networks: [{ name: 'lan' }], topology: {}, components: [app] });
    const twice = { occurrence: 1, when: 'after', act: 'retry' } as const;
    await site.faults.arm(
      'site',
      { activity: 'recordVees', ...twice },
      { activity: 'discardVees', ...twice },
    );
    const failed = await site.ended((await site.apply(manifest)).body.id);
    expect(site.faults.wasStruck('site')).toBe(true);
    for (const hostId of site.hostIds) await site.script(hostId);
    const defined = failed.steps.some((s: Json) => s.name === 'define app/0');
    expect([failed.state, defined]).toEqual(['undone', true]);
    expect((await site.get('/v1/networks')).body.items).toEqual([]);
    expect(await site.violations()).toEqual([]);
  });

  it('of the site are for whom they are shared with, and give no address twice to many who ask at once', async () => {
    const lab = { name: 'lab', ipv4: '192.168.40.0/27', ipv6: 'fd00:40::/64', tenants: ['acme'] };
    const made = await site.post('/v1/networks', lab);
    expect([made.status, made.body.sharedWith]).toEqual([201, ['acme']]);
    expect((await site.post('/v1/networks', lab)).body.code).toBe('already-exists');
    expect((await site.post('/v1/networks', { name: 'x', tenants: [] })).body.pointer).toBe('/ipv4');

    const stranger = await site.send('POST', '/v1/services', { token: tenant, body: onLab('mine', 1) });
    expect([stranger.body.code, stranger.body.pointer]).toEqual(['network-unknown', '/networks/0/site']);
    expect((await site.get('/v1/networks', tenant)).body.items).toEqual([]);

    // In batches, as seven are more than six.
    const names = Array.from({ length: 4 }, (_, i) => `many-${i}`);
    const services = await Promise.all(
      names.map(async (name) => site.done(await site.apply(onLab(name, 7)))),
    );
    const { vees, inUse } = (await site.get(`/v1/networks/${made.body.id}`)).body;
    expect([inUse, new Set(vees.flatMap((v: Json) => v.addresses)).size]).toEqual([28, 56]);
    const onHosts = await told();
    for (const v of vees)
      expect(onHosts.get(v.veeId)?.[0]?.addresses.map((a) => a.address)).toEqual(v.addresses);
    expect(await site.violations()).toEqual([]);

    // One address is left.
    const full = await site.ended((await site.apply(onLab('two-more', 2))).body.id);
    expect([full.state, full.error.code]).toEqual(['undone', 'network-full']);
    expect((await site.delete(`/v1/networks/${made.body.id}`)).body.code).toBe('network-in-use');
    await Promise.all(
      services.map(async ({ serviceId }) => site.done(await site.delete(`/v1/services/${serviceId}`))),
    );
    expect((await site.delete(`/v1/networks/${made.body.id}`)).status).toBe(200);
    expect((await site.get(`/v1/networks/${made.body.id}`)).status).toBe(404);
    expect(await site.violations()).toEqual([]);
  }, 60_000);
});
