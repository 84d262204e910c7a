import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readJson } from '../../drivers/lib/atomic-file';
import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { RunningSite } from '../support/sluice-process';

/** Longer than a workflow task may take: Temporal gives it to whoever asks next. */
const STANDSTILL_MILLIS = 3_500;
const ROUNDS = 2;

/** As a machine that is suspended, or a virtual one that is moved: the process goes on as if no time had passed. */
describe('a process that stands still', () => {
  let site: RunningSite;
  let dataDir: string;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'sluice-still-'));
    site = await RunningSite.start(dataDir, '--driver', 'simulator');
    await site.json('create', 'tenant', 'acme');
  }, 90_000);
  afterAll(async () => {
    await site?.stop();
    await rm(dataDir, { recursive: true, force: true });
  }, 60_000);

  /** Processes are replaced as they die: the supervisor notes who they are now. */
  const pidOf = async (name: string): Promise<number> => {
    const identity = await readJson<{ pid: number }>(join(dataDir, 'run', `${name}.json`));
    if (!identity) throw new Error(`${name} does not run`);
    return identity.pid;
  };
  async function ended(id: string): Promise<Json> {
    for (const until = Date.now() + 30_000; ; await delay(200)) {
      const { body } = await site.send('GET', `/v1/operations/${id}`);
      if (body.endedAt !== undefined || Date.now() > until) return body;
    }
  }

  /** What stood still a moment ago may be away for this one: then a client asks again. */
  async function asked(manifest: Json): Promise<string> {
    for (const until = Date.now() + 10_000; ; await delay(200)) {
      const { status, body } = await site.send('POST', '/v1/services?tenant=acme', manifest);
      if (status === 202) return body.id;
      if (status !== 503 || Date.now() > until) throw new Error(`${status}: ${JSON.stringify(body)}`);
    }
  }

  it.each(['site', 'temporal'])(
    '(%s) while a report is being written leaves every operation able to go on, on this worker and the next',
    async (stands) => {
      const component = {
        name: 'app',
        image: 'busybox',
        capacity: { cpuMillis: 10, memoryMiB: 8 },
        instances: { initial: 8, max: 8 },
      };
      for (let round = 0; round < ROUNDS; round++) {
        const id = await asked(manifestOf(`${stands}-${round}`, { components: [component], topology: {} }));
        await delay(50 + round * 60);
        const mongodb = await pidOf('mongodb');
        const standing = await pidOf(stands);
        process.kill(mongodb, 'SIGSTOP');
        await delay(60);
        process.kill(standing, 'SIGSTOP');
        await delay(STANDSTILL_MILLIS);
        process.kill(standing, 'SIGCONT');
        process.kill(mongodb, 'SIGCONT');
        await delay(2_000);
        // Whoever takes over begins with what was recorded, and must come to where this one was.
        process.kill(await pidOf('site'), 'SIGKILL');
        expect([round, await ended(id)]).toMatchObject([round, { state: 'completed' }]);
      }
    },
    180_000,
  );
});
