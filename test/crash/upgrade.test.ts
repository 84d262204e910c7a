import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { type OperationId, operationWorkflowId } from '../../domain/ids';
import { type Replayed, replayOpen } from '../../scripts/replay-open';
import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { TestSite } from '../support/site';

const OPERATIONS = 100;
const logger = new DefaultLogger('ERROR', () => undefined);

/**
 * What docs/upgrading.md says: a site worker is replaced by one whose workflows have changed, while operations are in
 * flight, and each of them ends as if nothing had happened.
 */
describe('a new version of the workflows, with 100 operations in flight', () => {
  let site: TestSite;
  let folder: string;
  /** Where the site worker looks for its workflows. */
  let bundle: string;
  let temporal: Client;
  let vees: string[] = [];
  let serial = 0;

  const build = async (version: string): Promise<string> => {
    const workflowsPath = join(__dirname, 'upgraded', `${version}.ts`);
    const path = join(folder, `${version}.js`);
    await writeFile(path, (await bundleWorkflowCode({ workflowsPath, logger })).code);
    return path;
  };

  beforeAll(async () => {
    // What is refused on purpose would fill the log.
    const filter = makeTelemetryFilterString({ core: 'ERROR', other: 'ERROR' });
    Runtime.install({ logger, telemetryOptions: { logging: { filter } } });
    folder = await mkdtemp(join(tmpdir(), 'sluice-upgrade-'));
    bundle = join(folder, 'workflow-bundle.js');
    await copyFile(join(process.cwd(), 'dist', 'workflow-bundle.js'), bundle);
    site = await TestSite.start({
      environment: {
        SLUICE_WORKFLOW_BUNDLE: bundle,
        SLUICE_ATTEMPT_MILLIS: '60000',
        SLUICE_GIVE_UP_MILLIS: '90000',
      },
    });
    temporal = new Client({
      connection: await Connection.connect({ address: process.env.TEMPORAL_ADDRESS ?? '' }),
      namespace: process.env.TEMPORAL_NAMESPACE ?? '',
    });
    const capacity = { cpuMillis: 10, memoryMiB: 8 };
    const instances = { initial: OPERATIONS, max: OPERATIONS };
    const components = [{ name: 'app', image: 'busybox', capacity, instances }];
    const { serviceId } = await site.done(await site.apply(manifestOf('many', { components, topology: {} })));
    vees = (await site.vees(serviceId)).map((v) => v.id);
    expect(vees).toHaveLength(OPERATIONS);
  }, 90_000);
  afterAll(async () => {
    await temporal?.connection.close();
    await site?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** The id of an operation, asked for as the API says: what an engine was too slow for is asked again with its key. */
  async function asked(path: string): Promise<string> {
    const client = site.withKey(`k${serial++}`);
    const reply = await site.until(`an answer to ${path}`, 30_000, async () => {
      const answer = await client.post(path);
      return answer.status === 503 ? undefined : answer;
    });
    if (reply.status !== 202) throw new Error(`${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
    return reply.body.id;
  }

  /** Begins one operation on each VEE, and waits until all of them wait for their host, which holds them. */
  async function inFlight(verb: 'pause' | 'resume'): Promise<string[]> {
    for (const hostId of site.hostIds) await site.script(hostId, { held: [verb] });
    const ids: string[] = [];
    const waiting = [...vees];
    const caller = async () => {
      for (let vee = waiting.pop(); vee; vee = waiting.pop())
        ids.push(await asked(`/v1/vees/${vee}/${verb}`));
    };
    await Promise.all(Array.from({ length: 8 }, caller));
    await site.until(`all wait for their host to ${verb}`, 40_000, async () => {
      const all = await site.all(`/v1/operations?kind=vee.${verb}&state=running`);
      const acting = all.filter((o) => o.steps.some((s: Json) => s.name.startsWith(`${verb} `)));
      return acting.length === OPERATIONS ? true : undefined;
    });
    return ids;
  }

  /** Replaces the site worker by one of another version. */
  async function roll(version: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await copyFile(version, bundle);
    const before = site.system.child('site').pid ?? 0;
    process.kill(before, signal);
    await site.until('the next site worker is there', 20_000, async () => {
      const { pid, told } = site.system.child('site');
      return pid !== undefined && pid !== before && told.ready !== undefined ? true : undefined;
    });
  }

  /** Lets the hosts go on. */
  async function allComplete(ids: readonly string[]): Promise<void> {
    for (const hostId of site.hostIds) await site.script(hostId);
    for (const id of ids) expect([id, (await site.ended(id, 60_000)).state]).toEqual([id, 'completed']);
    for (const id of ids) {
      const { events } = await temporal.workflow
        .getHandle(operationWorkflowId(id as OperationId))
        .fetchHistory();
      expect((events ?? []).flatMap((e) => e.workflowTaskFailedEventAttributes ?? [])).toEqual([]);
    }
    expect(await site.violations()).toEqual([]);
  }

  /** Of the operations of this site that are open, those that a version could not take over. */
  async function refused(version: string): Promise<Replayed[]> {
    const found: Replayed[] = [];
    for await (const replayed of replayOpen(temporal, version, site.system.options.siteId))
      if (replayed.error) found.push(replayed);
    return found;
  }

  const stepsOf = async (verb: string): Promise<string[]> => {
    const operation = await site.done(await site.post(`/v1/vees/${vees[0]}/${verb}`));
    return operation.steps.map((s: Json) => s.name.split(' ')[0]);
  };

  it('completes them all when the worker ends in peace; those that begin later go the new way', async () => {
    const second = await build('second');
    const ids = await inFlight('pause');
    const careless = await refused(await build('careless'));
    expect(careless.map((r) => r.workflowId).sort()).toEqual(ids.map((id) => `operation/${id}`).sort());
    for (const { error } of careless) expect(error).toBeInstanceOf(DeterminismViolationError);
    expect(await refused(second)).toEqual([]);
    await roll(second, 'SIGTERM');
    await allComplete(ids);
    expect(await stepsOf('resume')).toEqual(['lock', 'resume', 'commit']);
    expect(await stepsOf('pause')).toEqual(['another', 'lock', 'pause', 'commit']);
  }, 180_000);

  it('completes them all when the worker is killed', async () => {
    const third = await build('third');
    const ids = await inFlight('resume');
    expect(await refused(third)).toEqual([]);
    await roll(third, 'SIGKILL');
    await allComplete(ids);
    expect(await stepsOf('pause')).toEqual(['another', 'lock', 'pause', 'commit']);
    expect(await stepsOf('resume')).toEqual(['another', 'lock', 'resume', 'commit']);
  }, 180_000);
});
