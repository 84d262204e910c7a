import { containerObstacle } from '../../drivers/container/runtime';
import type { Json } from '../support/json';
import { TestSite } from '../support/site';

/** Real containers: what a re-composition promises is seen from inside them, while it goes on. */
(containerObstacle() ? describe.skip : describe)('re-composing a service of real containers', () => {
  let site: TestSite;

  beforeAll(async () => {
    site = await TestSite.start({ hosts: 2, driver: 'container' });
  });
  afterAll(() => site.stop());

  /** Says its version on its console, and is ready once it has; a broken one says what it misses and never is. */
  const shop = (version: string, rest: Json = {}, works = true) => ({
    apiVersion: 'sluice/v1',
    kind: 'Service',
    name: 'shop',
    components: [
      {
        name: 'web',
        image: 'busybox',
        command: [
          '/bin/sh',
          '-c',
          `trap 'exit 0' TERM; echo "version ${version}"; ${works ? 'echo up > /data/ready' : 'echo "no such table: carts"'}; while :; do sleep 1 & wait $!; done`,
        ],
        capacity: { cpuMillis: 100, memoryMiB: 16 },
        instances: { min: 1, initial: 2, max: 3 },
        readiness: { kind: 'exec', command: ['/bin/test', '-e', '/data/ready'], timeoutMillis: 2_000 },
      },
    ],
    ...rest,
  });
  const put = (id: string, manifest: unknown) => site.send('PUT', `/v1/services/${id}`, { body: manifest });
  const versions = async (id: string): Promise<string[]> => {
    const logs = await Promise.all(
      (await site.vees(id)).map(async (v: Json) => (await site.get(`/v1/vees/${v.id}/logs`)).body.lines),
    );
    return logs
      .flat()
      .filter((l: string) => l.startsWith('version'))
      .sort();
  };

  /** The fewest that ran at once, and the most, as the site's records and the hosts' own folders have it. */
  async function watched(
    id: string,
    work: Promise<Json>,
  ): Promise<{ ended: Json; fewest: number; most: number }> {
    let ended: Json;
    let [fewest, most] = [Number.POSITIVE_INFINITY, 0];
    const over = work.then((operation) => {
      ended = operation;
    });
    while (!ended) {
      const vees = await site.vees(id);
      fewest = Math.min(fewest, vees.filter((v: Json) => v.state === 'ACTIVE').length);
      most = Math.max(most, vees.length);
      await Promise.race([over, new Promise((resolve) => setTimeout(resolve, 30))]);
    }
    return { ended, fewest, most };
  }

  it('rolls to a new command with none missing, and rolls back by itself from one that is never ready', async () => {
    const { serviceId: id } = await site.done(await site.apply(shop('1')));
    expect(await versions(id)).toEqual(['version 1', 'version 1']);

    const rolled = await watched(id, site.done(await put(id, shop('2'))));
    expect(await versions(id)).toEqual(['version 2', 'version 2']);
    expect([rolled.fewest, rolled.most]).toEqual([2, 3]);

    // Ends first, so that what has ended must be made anew: as it was, from its old template.
    const endsFirst = { update: { maxUnavailable: 1, maxSurge: 0 } };
    const { body } = await put(id, shop('3', endsFirst, false));
    const back = await watched(id, site.ended(body.id));
    expect(back.ended).toMatchObject({
      state: 'undone',
      error: { code: 'vee-not-ready', detail: expect.stringContaining('no such table: carts') },
    });
    expect(await versions(id)).toEqual(['version 2', 'version 2']);
    expect(back.fewest).toBe(1);
    expect((await site.get(`/v1/services/${id}`)).body).toMatchObject({
      phase: 'operating',
      instances: { web: 2 },
    });
    expect(await site.violations()).toEqual([]);

    await site.done(await site.delete(`/v1/services/${id}`));
    expect(await site.onHosts()).toEqual([]);
    expect(await site.violations()).toEqual([]);
  }, 120_000);
});
