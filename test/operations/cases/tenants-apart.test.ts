import { manifestOf } from '../../support/manifests';
import { TestSite } from '../../support/site';

describe('tenants that must not share a host', () => {
  let site: TestSite;
  beforeAll(async () => {
    site = await TestSite.start();
    await site.post('/v1/tenants', { id: 'rival' });
  });
  afterAll(() => site?.stop());

  const small = (name: string) =>
    manifestOf(name, {
      components: [{ name: 'app', image: 'busybox', capacity: { cpuMillis: 100, memoryMiB: 64 } }],
      topology: {},
    });
  const apply = (name: string, tenant: string) => site.post(`/v1/services?tenant=${tenant}`, small(name));
  const hostsOf = async (tenant: string) =>
    new Set(
      (await site.all('/v1/vees'))
        .filter((v) => v.tenantId === tenant && v.state !== 'DESTROYED')
        .map((v) => v.hostId),
    );
  const keepApart = (tenants: string[]) =>
    site.send('PUT', '/v1/tenants/rival/apart-from', { body: { tenants } });

  it('are kept apart also when both are placed at the same moment, and by what moves them', async () => {
    for (const wrong of [['rival'], ['nobody']]) {
      const { status, body } = await keepApart(wrong);
      expect([status, body.code, body.pointer]).toEqual([400, 'request-invalid', '/tenants/0']);
    }
    expect((await keepApart(['acme'])).body).toMatchObject({ id: 'rival', apartFrom: ['acme'], sharing: [] });
    const asked = await Promise.all(
      Array.from({ length: 16 }, (_, n) => apply(`s${n}`, n % 2 === 0 ? 'acme' : 'rival')),
    );
    const ended = await Promise.all(asked.map((a) => site.ended(a.body.id)));
    // Three hosts are enough for two tenants: whoever comes too late for one takes another.
    expect(new Set(ended.map((o) => o.state))).toEqual(new Set(['completed']));
    const [acme, rival] = [await hostsOf('acme'), await hostsOf('rival')];
    expect([...acme].filter((h) => rival.has(h))).toEqual([]);
    expect(await site.violations()).toEqual([]);

    // Of the hosts of one tenant one is drained: what is there finds no other one when the rest is the other tenant's.
    const [lonely] = acme.size === 1 ? acme : rival;
    const drained = await site.post(`/v1/hosts/${lonely}/drain`, { immovable: 'ignore' });
    expect([lonely, drained.status, drained.body]).toEqual([lonely, 202, expect.anything()]);
    await site.ended(drained.body.id);
    const after = [await hostsOf('acme'), await hostsOf('rival')] as const;
    expect([...after[0]].filter((h) => after[1].has(h))).toEqual([]);
    expect(await site.violations()).toEqual([]);
    await site.ended((await site.post('/v1/site/rebalance', {})).body.id);
    expect(await site.violations()).toEqual([]);
  }, 120_000);

  it('are found by the check when they share one already, and the operator is told where', async () => {
    await keepApart([]);
    await site.post('/v1/tenants', { id: 'third' });
    await site.done(await apply('third-one', 'third'));
    const [shared] = await hostsOf('third');
    const others = [...(await hostsOf('acme'))].includes(shared ?? '') ? 'acme' : 'rival';
    const { body } = await site.send('PUT', '/v1/tenants/third/apart-from', { body: { tenants: [others] } });
    const invariants = (await site.get('/v1/invariants')).body.invariants;
    const seven = invariants.find((i: { number: number }) => i.number === 7);
    if ((await hostsOf(others)).has(shared)) {
      expect(body.sharing).toEqual([shared]);
      expect(seven.violations).toContain(`third shares ${shared} with whom it is kept apart from`);
    } else expect(seven.violations).toEqual([]);
  }, 60_000);
});
