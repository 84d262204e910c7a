import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

const capacity = { cpuMillis: 100, memoryMiB: 64 };

describe('warm images', () => {
  let site: TestSite;
  beforeAll(async () => {
    site = await TestSite.start({ hosts: 1 });
  });
  afterAll(() => site.stop());

  const one = (name: string, image: string, more: Json = {}) =>
    manifestOf(name, {
      components: [{ name: 'app', image, capacity: { ...capacity, ...more } }],
      topology: {},
    });

  it('are made of a VEE, belong to its tenant, and are what others run from that are like it', async () => {
    const first = await site.done(await site.apply(one('first', 'busybox')));
    const [vee] = await site.vees(first.serviceId);
    const plan = await site.post(`/v1/vees/${vee.id}/capture?dryRun=true`, { name: 'warm' });
    expect(plan.body.steps).toEqual([expect.stringContaining('capture')]);
    await site.done(await site.post(`/v1/vees/${vee.id}/capture`, { name: 'warm' }));
    expect((await site.vees(first.serviceId))[0]).toMatchObject({ id: vee.id, state: 'ACTIVE' });
    const { items } = (await site.get('/v1/images')).body;
    const image = items.find((i: Json) => i.name === 'warm');
    expect(image).toMatchObject({
      owner: 'acme',
      format: 'warm',
      state: 'ready',
      leastMemoryMiB: 64,
      hosts: 1,
    });

    const second = await site.done(await site.apply(one('second', 'warm')));
    expect((await site.vees(second.serviceId))[0].state).toBe('ACTIVE');
    const other = await site.apply(one('other', 'warm', { memoryMiB: 65 }));
    expect(other.body).toMatchObject({
      ...{ code: 'manifest-invalid', pointer: '/components/0/capacity/memoryMiB' },
      detail: expect.stringContaining('64 MiB of memory'),
    });
    expect((await site.send('DELETE', `/v1/images/${image.id}`)).body.code).toBe('image-in-use');
  });

  it('are brought by nobody else', async () => {
    const body = { name: 'own', format: 'warm', sha256: 'a'.repeat(64), sizeBytes: 1 };
    const { status } = await site.post('/v1/images?tenant=acme', body);
    expect(status).toBe(400);
  });
});
