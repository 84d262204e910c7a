import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OperationView } from '../cli/client';
import { type OperationId, operationWorkflowId, type SiteId, siteTaskQueue } from '../domain/ids';
import type { Recording } from './recording';

interface Vee {
  readonly id: string;
  readonly hostId: string;
  readonly component: string;
}

/** Makes drift by changing what simulated hosts keep, and records what finds and mends it. */
export async function recordReconciliation(
  { client, temporal, dataDir, run, keep }: Recording,
  serviceId: string,
): Promise<void> {
  const folder = (hostId: string, veeId: string) =>
    join(dataDir, 'agents', 'agent', 'hosts', hostId, 'vees', veeId);
  // Those of the agent whose folders are changed here.
  const vees = async () =>
    (await client.list<Vee>('/v1/vees', { service: serviceId, state: 'ACTIVE' })).filter(
      (v) => v.hostId !== 'host-4',
    );
  const change = async (path: string, changes: (kept: Kept) => Kept) => {
    const file = join(path, 'vee.json');
    await writeFile(file, JSON.stringify(changes(JSON.parse(await readFile(file, 'utf8')) as Kept)));
  };
  const reconcile = async (findings: number): Promise<OperationView> => {
    for (let seen = -1; seen !== findings; await delay(200)) {
      const plan = await client.write<{ steps: string[] }>('POST', '/v1/reconcile?dryRun=true', {});
      seen = plan.steps.length;
    }
    return client.write('POST', '/v1/reconcile', {});
  };
  const childOf = async (parent: OperationView, kind: string): Promise<string> => {
    const [child] = await client.list<OperationView>('/v1/operations', { parent: parent.id, kind });
    if (!child) throw new Error(`${parent.id} asked for no ${kind}`);
    return operationWorkflowId(child.id as OperationId);
  };

  const [ended, lost] = await vees();
  if (!ended || !lost) throw new Error('there are too few VEEs to record with');
  const ghost = 'vee-000000000000000000000000';
  await cp(folder(ended.hostId, ended.id), folder('host-1', ghost), { recursive: true });
  await change(folder('host-1', ghost), (kept) => ({ ...kept, spec: { ...kept.spec, veeId: ghost } }));
  await client.follow((await reconcile(1)).id);
  await change(folder(ended.hostId, ended.id), (kept) => ({ ...kept, state: 'EXITED' }));
  await rm(folder(lost.hostId, lost.id), { recursive: true });
  const all = await run('site-reconcile', await reconcile(3));
  await keep('mend', await childOf(all, 'vee.mend'));

  const to = ['host-1', 'host-2', 'host-3'].find((h) => h !== ended.hostId) ?? '';
  await cp(folder(ended.hostId, ended.id), folder(to, ended.id), { recursive: true });
  await rm(folder(ended.hostId, ended.id), { recursive: true });
  const moved = await client.follow((await reconcile(1)).id);
  await keep('adopt', await childOf(moved, 'vee.adopt'));

  const look = await temporal.workflow.start('lookForDrift', {
    workflowId: 'site/home/look-for-drift',
    taskQueue: siteTaskQueue('home' as SiteId),
    args: [],
  });
  await look.result();
  await keep('look-for-drift', look.workflowId);
}

interface Kept {
  readonly state: string;
  readonly spec: Readonly<Record<string, unknown>>;
}
