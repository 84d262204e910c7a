import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';
import { cliOf } from '../support/sluice-process';

describe('why things are where they are', () => {
  let site: TestSite;
  beforeAll(async () => {
    site = await TestSite.start();
  });
  afterAll(() => site?.stop());

  const run = cliOf(() => site);

  it('is told of a VEE, of each VEE of a service, and of an operation', async () => {
    const provision = await site.done(await site.apply(manifestOf('shop')));
    await site.post('/v1/hosts/host-1/cordon');
    const scaled = await site.done(
      await site.post(`/v1/services/${provision.serviceId}/components/app/scale`, { instances: 2 }),
    );
    const all = await run('explain', 'shop');
    expect(all.out).toMatch(/app\/0 +host-\d +the emptiest of the 3 hosts that can take it +-/);
    expect(all.out).toMatch(
      /app\/1 +host-[23] +the emptiest of the 2 hosts .* +1 host: the host is cordoned/,
    );
    expect((await run('explain', scaled.id)).out).toMatch(/^By policy striping, greedy:\n.*\napp\/1 +host-/);
    expect((await run('explain', 'shop/app/1')).out).toContain(
      `Decided by service.scale ${scaled.id}, for bootstrap.`,
    );
    expect((await run('explain', 'nowhere')).code).toBe(3);
    const [vee] = await site.vees(provision.serviceId);
    const paused = await site.done(await site.post(`/v1/vees/${vee.id}/pause`));
    expect((await run('explain', paused.id)).out).toBe('It has decided nothing about places.\n');
    await site.done(await site.post(`/v1/vees/${vee.id}/resume`));
    await site.post('/v1/hosts/host-1/uncordon');
  }, 60_000);

  it('follows a VEE that has moved: the last decision is what counts', async () => {
    const [vee] = (await site.all('/v1/vees')).filter((v) => v.component === 'db');
    const target = vee.hostId === 'host-3' ? 'host-2' : 'host-3';
    const moved = await site.done(await site.post(`/v1/vees/${vee.id}/migrate`, { toHost: target }));
    const { out } = await run('explain', 'shop/db/0');
    expect(out).toContain(`Placed on ${target} (policy striping, greedy): the only host that can take it.`);
    expect(out).toContain(`Decided by vee.migrate ${moved.id}, for bootstrap.`);
    expect(out).toContain('it is not the host that was asked for');
    expect((await run('explain', 'shop')).out).toMatch(new RegExp(`db/0 +${target} +the only host`));
    // Also back to where it was made: that was another decision.
    const back = await site.done(await site.post(`/v1/vees/${vee.id}/migrate`, { toHost: vee.hostId }));
    expect((await run('explain', 'shop/db/0')).out).toContain(`Decided by vee.migrate ${back.id}`);
  }, 60_000);

  it('is what a dry run has said before, on a site that has not changed meanwhile', async () => {
    for (const name of ['one', 'two', 'three', 'four']) {
      const dry = await site.post('/v1/services?tenant=acme&dryRun=true', manifestOf(name));
      const told = dry.body.blueprint.assignments.map((a: Json) => `${a.component}/${a.index} ${a.hostId}`);
      const { serviceId } = await site.done(await site.apply(manifestOf(name)));
      const made = (await site.vees(serviceId)).map((v) => `${v.component}/${v.index} ${v.hostId}`);
      expect([name, made.sort()]).toEqual([name, told.sort()]);
    }
  }, 60_000);

  it('says of an operation that found no place why not', async () => {
    const components = [{ name: 'app', image: 'busybox', capacity: { cpuMillis: 90_000, memoryMiB: 64 } }];
    const asked = await site.apply(manifestOf('huge', { components, topology: {} }));
    const ended = await site.ended(asked.body.id);
    expect(ended.state).toBe('undone');
    const { out } = await run('explain', ended.id);
    expect(out).toMatch(/^No placement exists for app\/0|^No placement was found for app\/0/);
    expect(out).toMatch(/host-1: cpuMillis 90000 needed, \d+ free/);
  }, 60_000);
});
