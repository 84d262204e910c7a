import { TestSite } from '../support/site';
import { cliOf } from '../support/sluice-process';

describe('what a site looks for by itself', () => {
  let site: TestSite;
  beforeAll(async () => {
    // So seldom that it looks only when it is told to.
    site = await TestSite.start({ environment: { SLUICE_RECONCILE_MILLIS: '3600000' } });
  });
  afterAll(() => site?.stop());

  const run = cliOf(() => site);
  const reconcile = async () =>
    JSON.parse((await run('--json', 'routine', 'list')).out).items.find(
      (r: { name: string }) => r.name === 'reconcile',
    );

  it('is listed with when it looks next, and paused, resumed and run by hand', async () => {
    const { out } = await run('routine', 'list');
    expect(out).toMatch(/reconcile +every 3600\.0 s +in \d+\.\d+ s/);
    expect(out).toMatch(/rebalance +never/);
    expect(await reconcile()).toMatchObject({ everyMillis: 3_600_000, paused: false });

    expect((await run('routine', 'pause', 'reconcile', '--reason', 'we look ourselves')).out).toBe(
      'reconcile: paused: we look ourselves\n',
    );
    const paused = await reconcile();
    expect(paused).toMatchObject({ paused: true, note: 'we look ourselves' });
    expect(paused.nextAt).toBeUndefined();
    // To pause what is paused is no mistake.
    expect((await run('routine', 'pause', 'reconcile')).code).toBe(0);

    const before = Date.now();
    expect((await run('routine', 'run', 'reconcile')).code).toBe(0);
    const last = await site.until('it has looked', 20_000, async () => {
      const look = (await reconcile()).last;
      return look?.state === 'completed' && look.at >= before - 1_000 ? look : undefined;
    });
    expect(last).toMatchObject({ found: 0 });
    expect(last.operationId).toBeUndefined();

    expect((await run('routine', 'resume', 'reconcile')).out).toBe('reconcile: every 3600.0 s\n');
    const resumed = await reconcile();
    expect(resumed).toMatchObject({ paused: false, nextAt: expect.any(Number) });
    expect(resumed.note).toBeUndefined();
    const kinds = (await site.all(`/v1/events?subject=${site.system.options.siteId}`)).map((e) => e.kind);
    expect(kinds.filter((k) => k.startsWith('routine.'))).toEqual([
      ...['routine.resumed', 'routine.run', 'routine.paused', 'routine.paused'],
    ]);
  }, 60_000);

  it('says how to make it look at all, and knows no other', async () => {
    const never = await run('routine', 'pause', 'rebalance');
    expect(never.code).not.toBe(0);
    expect(never.err).toContain('SLUICE_REBALANCE_MILLIS is 0');
    expect((await run('routine', 'run', 'dream')).code).toBe(2);
    expect((await site.post('/v1/routines/dream/run')).body).toMatchObject({ code: 'request-invalid' });
  });
});
