import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

describe('a host that falls silent', () => {
  let site: TestSite;
  const liveness = async () => (await site.get('/v1/hosts/host-1')).body.liveness;
  const becomes = (state: string) =>
    site.until(`host-1 is ${state}`, 15_000, async () => ((await liveness()) === state ? true : undefined));

  beforeAll(async () => {
    site = await TestSite.start({
      hosts: 1,
      environment: { SLUICE_SUSPECT_MILLIS: '800', SLUICE_LOST_MILLIS: '2000' },
    });
  });
  afterAll(() => site.stop());

  it('is suspect, then lost, then up again; it is told as events, and takes no placements meanwhile', async () => {
    const pid = site.system.child('agent').pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    await becomes('suspect');
    await becomes('lost');
    const operation = await site.ended((await site.apply(manifestOf('nowhere'))).body.id);
    expect(operation).toMatchObject({
      state: 'undone',
      error: { code: 'placement-infeasible', detail: expect.stringContaining('the host is lost') },
    });
    process.kill(pid, 'SIGCONT');
    await becomes('up');
    await site.done(await site.apply(manifestOf('somewhere')));
    const kinds = (await site.get('/v1/events?subject=host-1')).body.items.map(
      (e: { kind: string }) => e.kind,
    );
    expect(kinds).toEqual(['host.lost', 'host.suspect']);
  });

  it('leaves an operation stuck with a reason when it does not come back, and retry finishes it', async () => {
    const [service] = (await site.get('/v1/services?name=somewhere')).body.items;
    const pid = site.system.child('agent').pid ?? 0;
    process.kill(pid, 'SIGSTOP');
    const operation = await site.ended((await site.delete(`/v1/services/${service.id}`)).body.id, 60_000);
    expect(operation).toMatchObject({
      state: 'stuck',
      stuck: {
        step: expect.stringMatching(/^destroy app\/0$/),
        direction: 'forward',
        // It was handed to an agent that was frozen just then, or is still in its queue.
        error: { code: expect.stringMatching(/^(host-unreachable|outcome-unknown)$/) },
        choices: ['retry', 'abort'],
      },
    });
    process.kill(pid, 'SIGCONT');
    await becomes('up');
    expect((await site.post(`/v1/operations/${operation.id}/retry`)).status).toBe(202);
    await site.until('it completes', 20_000, async () =>
      (await site.get(`/v1/operations/${operation.id}`)).body.state === 'completed' ? true : undefined,
    );
    expect(await site.onHosts()).toEqual([]);
    expect(await site.violations()).toEqual([]);
    expect((await site.post(`/v1/operations/${operation.id}/retry`)).body.code).toBe('not-stuck');
  }, 90_000);

  it('ends stuck, for good, when the operator gives an undo up', async () => {
    await site.arm(
      'agent',
      { activity: 'awaitReady', occurrence: 1, when: 'before', act: 'fail' },
      { activity: 'destroyVee', occurrence: 1, when: 'before', act: 'fail' },
    );
    const operation = await site.ended((await site.apply(manifestOf('given-up'))).body.id);
    expect(operation).toMatchObject({
      state: 'stuck',
      stuck: { direction: 'undo', error: { code: 'driver-refused' } },
    });
    expect(operation.endedAt).toBeUndefined();
    await site.post(`/v1/operations/${operation.id}/abort`);
    const ended = await site.until('it ends', 10_000, async () => {
      const { body } = await site.get(`/v1/operations/${operation.id}`);
      return body.endedAt === undefined ? undefined : body;
    });
    expect(ended).toMatchObject({
      state: 'stuck',
      stuck: { step: expect.any(String) },
      error: { code: 'driver-refused' },
    });
    expect(ended.steps.map((s: { state: string }) => s.state)).toContain('abandoned');
    // What was left behind is no dead end: the service can be decommissioned, and nothing stays.
    await site.done(await site.delete(`/v1/services/${ended.serviceId}`));
    expect(await site.onHosts()).toEqual([]);
    expect((await site.get('/v1/holdings')).body.items).toEqual([]);
    expect(await site.violations()).toEqual([]);
  });
});
