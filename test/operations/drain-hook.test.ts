import { containerObstacle } from '../../drivers/container/runtime';
import type { Json } from '../support/json';
import { TestSite } from '../support/site';

/** Only a real process can be asked to hand over what it is doing. */
(containerObstacle() ? describe.skip : describe)('the drain hook of a VEE that ends', () => {
  let site: TestSite;
  beforeAll(async () => {
    site = await TestSite.start({ hosts: 2, driver: 'container' });
  });
  afterAll(() => site.stop());

  const scaledIn = async (name: string, drain: Json) => {
    const component = {
      name: 'app',
      image: 'busybox',
      command: ['/bin/sh', '-c', 'trap "exit 0" TERM; while true; do sleep 0.1; done'],
      capacity: { cpuMillis: 100, memoryMiB: 16 },
      instances: { min: 1, initial: 2, max: 2 },
      drain,
    };
    const manifest = { apiVersion: 'sluice/v1', kind: 'Service', name, components: [component] };
    const { serviceId } = await site.done(await site.apply(manifest));
    const operation = await site.done(
      await site.post(`/v1/services/${serviceId}/components/app/scale`, { instances: 1 }),
    );
    const { body } = await site.get(`/v1/services/${serviceId}/events`);
    return {
      steps: operation.steps.map((s: Json) => s.name),
      told: body.items.filter((e: Json) => e.kind === 'vee.drain-failed').map((e: Json) => e.message),
      left: (await site.vees(serviceId)).map((v: Json) => v.index),
    };
  };

  it('is run inside it first', async () => {
    const ended = await scaledIn('hands-over', { command: ['/bin/sh', '-c', 'sleep 0.2'] });
    expect(ended.steps).toEqual(['compare', 'drain app/1', 'destroy app/1', 'retire app/1', 'commit']);
    expect([ended.told, ended.left]).toEqual([[], [0]]);
  });

  it('does not keep it when it fails, or takes longer than it may: that is told', async () => {
    const failed = await scaledIn('fails', { command: ['/bin/sh', '-c', 'exit 3'] });
    expect([failed.told, failed.left]).toEqual([['app/1: its drain hook failed'], [0]]);
    const late = await scaledIn('late', { command: ['/bin/sh', '-c', 'sleep 30'], timeoutMillis: 300 });
    expect([late.told, late.left]).toEqual([['app/1: its drain hook timed-out'], [0]]);
    expect(await site.violations()).toEqual([]);
  });
});
