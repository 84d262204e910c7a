import { groupBy } from '../../domain/group-by';
import type { Json } from '../support/json';
import { TestSite } from '../support/site';
import { cleaned, expectWhole } from './cases/support';
import { operating } from './scenarios';

const CAPACITY = { cpuMillis: 16_000, memoryMiB: 16_384, diskMiB: 1_000_000, bandwidthKbps: 1_000_000 };
/** Zones of two hosts, two and one; each zone has an agent, so that it can be lost as a whole. */
const ZONES = { a: ['host-a1', 'host-a2'], b: ['host-b1', 'host-b2'], c: ['host-c1'] };
const zoneOf = (hostId: string) => hostId.charAt('host-'.length);

const app = { name: 'app', image: 'busybox', capacity: { cpuMillis: 100, memoryMiB: 64 } };
const TIED = {
  components: [{ ...app, instances: { min: 1, initial: 3, max: 20 } }],
  topology: {},
  placement: { affinity: [{ together: ['app'], level: 'zone' }] },
};

describe('rules by zone', () => {
  let site: TestSite;

  beforeAll(async () => {
    site = await TestSite.start({
      agents: Object.entries(ZONES).map(([zone, hosts]) => ({
        id: `agent-${zone}`,
        hosts: hosts.map((id) => ({ id, driver: 'simulator', zone: `zone-${zone}`, capacity: CAPACITY })),
      })),
      environment: { SLUICE_SUSPECT_MILLIS: '800', SLUICE_LOST_MILLIS: '2000' },
    });
  });
  afterAll(() => site?.stop());
  afterEach(async () => {
    await expectWhole(site);
    await cleaned(site);
  });

  const hostsOf = async (id: string): Promise<string[]> => (await site.vees(id)).map((v: Json) => v.hostId);
  const zonesOf = async (id: string) => [...new Set((await hostsOf(id)).map(zoneOf))];
  const agentOf = (zone: string) => site.system.child(`agent-${zone}`).pid ?? 0;

  it('drains a host into its zone, where what is tied to the zone stays', async () => {
    const assignment = [{ component: 'app', denyHosts: ZONES.c }];
    const id = await operating(site, 'tied', { ...TIED, placement: { ...TIED.placement, assignment } });
    const [first = ''] = await hostsOf(id);
    const zones = await zonesOf(id);
    expect(zones).toEqual([zoneOf(first)]);
    await site.done(await site.post(`/v1/hosts/${first}/drain`, {}));
    expect(await zonesOf(id)).toEqual(zones);
    expect(await hostsOf(id)).not.toContain(first);
    await site.done(await site.post(`/v1/hosts/${first}/restore`));
    expect(await zonesOf(id)).toEqual(zones);
  }, 60_000);

  it('empties the only host of a zone: what is tied goes to another zone, all of it to the same', async () => {
    const others = [...ZONES.a, ...ZONES.b];
    for (const host of others) await site.post(`/v1/hosts/${host}/cordon`);
    const id = await operating(site, 'leaves', TIED);
    for (const host of others) await site.post(`/v1/hosts/${host}/uncordon`);
    expect(await zonesOf(id)).toEqual(['c']);
    const [vee] = await site.vees(id);
    // One alone would leave the others behind.
    const { body } = await site.post(`/v1/vees/${vee.id}/migrate?dryRun=true`, {});
    expect(body).toMatchObject({ feasible: false, why: expect.stringContaining('affinity(app) by zone') });
    await site.done(await site.post('/v1/hosts/host-c1/drain', {}));
    const [zone, ...more] = await zonesOf(id);
    expect([zone === 'c', more]).toEqual([false, []]);
    await site.done(await site.post('/v1/hosts/host-c1/restore'));
  }, 60_000);

  it('makes what was lost with a zone anew in one other zone', async () => {
    const id = await operating(site, 'lost', TIED);
    const [zone = ''] = await zonesOf(id);
    const hosts = ZONES[zone as keyof typeof ZONES];
    process.kill(agentOf(zone), 'SIGSTOP');
    try {
      await site.until('the zone is lost', 15_000, async () => {
        const { body } = await site.get('/v1/hosts');
        return hosts.every((h) => body.items.some((i: Json) => i.id === h && i.liveness === 'lost'))
          ? true
          : undefined;
      });
      const told = (await site.get('/v1/capacity/failover')).body;
      expect(told).toMatchObject({ lost: hosts, hosts: { of: 5 - hosts.length } });
      for (const host of hosts)
        await site.done(await site.post(`/v1/hosts/${host}/recover`, { confirmedDown: true }));
      const [now, ...more] = await zonesOf(id);
      expect([now === zone, more]).toEqual([false, []]);
      expect((await site.vees(id)).map((v: Json) => v.state)).toEqual(['ACTIVE', 'ACTIVE', 'ACTIVE']);
    } finally {
      process.kill(agentOf(zone), 'SIGCONT');
    }
    await site.until('the zone is back', 15_000, async () => {
      const { body } = await site.get('/v1/hosts');
      return body.items.every((h: Json) => h.liveness === 'up' && !h.fenced) ? true : undefined;
    });
    await site.until('its copies are ended', 10_000, async () =>
      (await site.onHosts()).some((v) => zoneOf(v.hostId) === zone) ? undefined : true,
    );
  }, 90_000);

  it('lets at most so many share a zone, and refuses more than all zones take', async () => {
    const placement = { antiAffinity: [{ within: 'app', level: 'zone', most: 2 }] };
    const id = await operating(site, 'spread', { ...TIED, placement });
    const most = async () =>
      Math.max(...[...groupBy(await hostsOf(id), zoneOf).values()].map((there) => there.length));
    expect(await most()).toBeLessThanOrEqual(2);
    await site.done(await site.post(`/v1/services/${id}/components/app/scale`, { instances: 6 }));
    expect(await most()).toBe(2);
    const { body } = await site.post(`/v1/services/${id}/components/app/scale?dryRun=true`, { instances: 7 });
    expect(body).toMatchObject({
      feasible: false,
      why: expect.stringContaining('antiAffinity(within app, at most 2) by zone'),
    });
    // One host of a zone of two is emptied into the other.
    await site.done(await site.post('/v1/hosts/host-a1/drain', {}));
    expect(await most()).toBe(2);
    await site.done(await site.post('/v1/hosts/host-a1/restore'));
  }, 60_000);
});
