import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { choosePort } from '../../supervisor/ports';
import { manifestOf } from '../support/manifests';
import { RunningSite } from '../support/sluice-process';

/** A site with engines of its own, which may be stopped and killed. */
describe.each([
  ['mongodb', 'The database is not reachable.'],
  ['temporal', 'Temporal is not reachable.'],
])('%s away', (engine, detail) => {
  let site: RunningSite;
  let dataDir: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'sluice-away-'));
    site = await RunningSite.start(dataDir, '--driver', 'simulator');
    await site.json('create', 'tenant', 'acme');
  }, 90_000);
  afterAll(async () => {
    await site?.stop();
    await rm(dataDir, { recursive: true, force: true });
  }, 60_000);

  const apply = (
    name: string,
    headers: Record<string, string> = {},
    overrides: Record<string, unknown> = {},
  ) => site.send('POST', '/v1/services?tenant=acme', manifestOf(name, overrides), headers);

  it('answers 503 with Retry-After while it hangs, loses nothing, and goes on by itself', async () => {
    const before = await site.json('operation', 'watch', (await apply('before')).body.id);
    const key = { 'Idempotency-Key': `away-${engine}` };
    process.kill(site.pidOf(engine), 'SIGSTOP');
    const refused = await apply('during', key);
    process.kill(site.pidOf(engine), 'SIGCONT');
    expect([refused.status, refused.body.code, refused.body.detail]).toEqual([503, 'unavailable', detail]);
    expect(refused.headers.get('retry-after')).toBe('2');
    // The same request with the same key is the same write, whatever became of the first.
    let repeated = await apply('during', key);
    for (let i = 0; i < 60 && repeated.status !== 202; i++) {
      await delay(500);
      repeated = await apply('during', key);
    }
    expect(await site.json('operation', 'watch', repeated.body.id)).toMatchObject({ state: 'completed' });
    expect((await site.send('GET', '/v1/services?name=during')).body.items).toHaveLength(1);
    expect((await site.send('GET', `/v1/services/${before.serviceId}`)).body.phase).toBe('operating');
  }, 120_000);

  it('is killed in the middle of an operation, which completes once it is back', async () => {
    const component = {
      name: 'app',
      image: 'busybox',
      capacity: { cpuMillis: 10, memoryMiB: 8 },
      instances: { initial: 12, max: 12 },
    };
    const started = await apply('middle', {}, { components: [component], topology: {} });
    process.kill(site.pidOf(engine), 'SIGKILL');
    expect(await site.json('operation', 'watch', started.body.id)).toMatchObject({ state: 'completed' });
    await delay(1_500);
    expect((await site.json('check')).violations).toEqual([]);
  }, 120_000);
});

it('an API that starts while its database is away answers 503, not silence, and works once it is there', async () => {
  const [, address = ''] = /^mongodb:\/\/([^/]+)/.exec(process.env.MONGODB_URI ?? '') ?? [];
  const databasePort = await choosePort('the database', 0, 0);
  const port = await choosePort('the API', 0, 0);
  const database = createServer((near) => {
    const [host, port] = address.split(':');
    const far = dial(Number(port), host);
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on('error', () => [near, far].map((s) => s.destroy()));
  });
  const child = spawn(process.execPath, [join(process.cwd(), 'dist', 'api', 'main.js')], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      ...process.env,
      MONGODB_URI: `mongodb://127.0.0.1:${databasePort}/?directConnection=true`,
      SLUICE_DATABASE: `away-${databasePort}`,
      SLUICE_API_PORT: String(port),
      SLUICE_OPERATOR_TOKEN: 'sluice_operator_test_test',
    },
  });
  try {
    const ask = (path: string) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        headers: { authorization: 'Bearer sluice_operator_test_test' },
      });
    let alive: Response | undefined;
    for (let i = 0; i < 100 && !alive; i++)
      alive = await ask('/healthz').catch(() => delay(50).then(() => undefined));
    expect(alive?.status).toBe(200);
    expect(await (await ask('/readyz')).json()).toMatchObject({
      status: 'not ready',
      database: false,
      temporal: true,
    });
    const reply = await ask('/v1/services');
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '2']);
    expect(await reply.json()).toMatchObject({ code: 'unavailable', retryable: true });

    // Longer than the driver takes to give its first connection up.
    await delay(3_000);
    database.listen(databasePort, '127.0.0.1');
    let status = 503;
    for (let i = 0; i < 100 && status === 503; i++) {
      await delay(100);
      status = (await ask('/v1/services')).status;
    }
    expect(status).toBe(200);
  } finally {
    database.close();
    child.kill('SIGKILL');
  }
});
