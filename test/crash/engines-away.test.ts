import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { choosePort } from '../../supervisor/ports';
import { TestSite } from '../support/site';
import { manifestOf } from '../support/manifests';

/** Its own engines, which it may kill. */
describe.each([
  ['mongodb', 'The database is not reachable.'],
  ['temporal', 'Temporal is not reachable.'],
])('%s away', (engine, detail) => {
  let site: TestSite;
  const saved = { ...process.env };

  beforeAll(async () => {
    for (const name of ['TEMPORAL_ADDRESS', 'TEMPORAL_NAMESPACE', 'MONGODB_URI']) delete process.env[name];
    site = await TestSite.start({ ownEngines: true });
  }, 60_000);
  afterAll(async () => {
    await site.stop();
    Object.assign(process.env, saved);
  });

  const pid = () => site.system.child(engine).pid ?? 0;

  it('answers 503 with Retry-After while it hangs, loses nothing, and goes on by itself', async () => {
    const { serviceId } = await site.done(await site.apply(manifestOf('before')));
    process.kill(pid(), 'SIGSTOP');
    const key = { 'Idempotency-Key': `away-${engine}` };
    const refused = await site.apply(manifestOf('during'), key);
    process.kill(pid(), 'SIGCONT');
    expect([refused.status, refused.body.code, refused.body.detail]).toEqual([503, 'unavailable', detail]);
    expect(refused.headers.get('retry-after')).toBe('2');
    // The same request with the same key is the same write, whatever became of the first.
    const repeated = await site.until('the repeat is taken', 30_000, async () => {
      const reply = await site.apply(manifestOf('during'), key);
      return reply.status === 202 ? reply : undefined;
    });
    await site.done(repeated);
    expect((await site.get('/v1/services?name=during')).body.items).toHaveLength(1);
    expect((await site.get(`/v1/services/${serviceId}`)).body.phase).toBe('operating');
  }, 120_000);

  it('is killed in the middle of an operation, which completes once it is back', async () => {
    const started = await site.apply(manifestOf('middle', { components: [{ name: 'app', image: 'busybox', capacity: { cpuMillis: 10, memoryMiB: 8 }, instances: { initial: 12, max: 12 } }], topology: {} }));
    process.kill(pid(), 'SIGKILL');
    const operation = await site.ended(started.body.id, 90_000);
    expect(operation.state).toBe('completed');
    expect(await site.violations()).toEqual([]);
  }, 120_000);
});

it('an API that starts while its database is away answers 503, not silence', async () => {
  const port = await choosePort('the API', 0, 0);
  const child = spawn(process.execPath, [join(process.cwd(), 'dist', 'api', 'main.js')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, MONGODB_URI: 'mongodb://127.0.0.1:9/?directConnection=true', SLUICE_API_PORT: String(port), SLUICE_OPERATOR_TOKEN: 'sluice_operator_test_test' },
  });
  try {
    const ask = (path: string) => fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: 'Bearer sluice_operator_test_test' } });
    let alive: Response | undefined;
    for (let i = 0; i < 100 && !alive; i++) alive = await ask('/healthz').catch(() => delay(50).then(() => undefined));
    expect(alive?.status).toBe(200);
    expect(await (await ask('/readyz')).json()).toMatchObject({ status: 'not ready', database: false, temporal: true });
    const reply = await ask('/v1/services');
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '2']);
    expect(await reply.json()).toMatchObject({ code: 'unavailable', retryable: true });
  } finally {
    child.kill('SIGKILL');
  }
});
