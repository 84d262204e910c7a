import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OperationView } from '../cli/client';
import { type OperationId, operationWorkflowId } from '../domain/ids';
import type { Recording } from './recording';

const capacity = { cpuMillis: 100, memoryMiB: 64 };
const HOSTS = ['host-1', 'host-2', 'host-3'];

/** Every shape of an operation on more VEEs than it works on itself, and of its batches. Batches are of two VEEs here. */
export async function recordBatches({ client, temporal, dataDir, run, keep }: Recording): Promise<void> {
  const onService = (id: unknown, path: string, body?: unknown) =>
    client.write('POST', `/v1/services/${id}/${path}`, body);
  const apply = (name: string, rest: Record<string, unknown> = {}) =>
    client.write('POST', '/v1/services?tenant=acme', {
      apiVersion: 'sluice/v1',
      kind: 'Service',
      name,
      components: [
        { name: 'db', image: 'busybox', capacity },
        { name: 'app', image: 'busybox', capacity, instances: { min: 1, initial: 4, max: 10 } },
      ],
      topology: { dependencies: [{ component: 'app', dependsOn: ['db'] }] },
      ...rest,
    });
  const scripts = (verb: string, call: number) =>
    Promise.all(
      HOSTS.map((host) =>
        writeFile(
          scriptOf(dataDir, host),
          JSON.stringify({ faults: [{ verb, call, when: 'before', do: 'fail', code: 'driver-refused' }] }),
        ),
      ),
    );
  const startsOn = async (host: string): Promise<number> =>
    JSON.parse(await readFile(join(dataDir, 'agents', 'agent', 'hosts', host, 'calls.json'), 'utf8')).start ??
    0;
  const unscripted = () => Promise.all(HOSTS.map((host) => rm(scriptOf(dataDir, host))));
  /** Keeps an operation, and the first workflow of each type among its children and theirs. */
  const whole = async (name: string, state: string, started: OperationView) => {
    const ended = await run(name, started);
    if (ended.state !== state)
      throw new Error(`${name} ended ${ended.state}: ${JSON.stringify(ended.error)}`);
    const first = new Map<string, string>();
    const look = async (workflowId: string): Promise<void> => {
      const { events } = await temporal.workflow.getHandle(workflowId).fetchHistory();
      for (const { startChildWorkflowExecutionInitiatedEventAttributes: child } of events ?? []) {
        if (!child?.workflowId || !child.workflowType?.name) continue;
        if (!first.has(child.workflowType.name)) first.set(child.workflowType.name, child.workflowId);
        await look(child.workflowId);
      }
    };
    await look(operationWorkflowId(ended.id as OperationId));
    for (const [type, workflowId] of first) await keep(`${name}-${kebab(type)}`, workflowId);
    return ended.serviceId;
  };

  await client.write('POST', '/v1/tenants', { id: 'acme' });
  // Its agent has another folder, where no script is put.
  await client.write('POST', '/v1/hosts/host-4/cordon');
  const id = await whole('batched-provision', 'completed', await apply('batched'));
  await whole('batched-suspend-service', 'completed', await onService(id, 'suspend'));
  await whole('batched-resume-service', 'completed', await onService(id, 'resume'));
  await scripts('suspend', 1);
  await whole('batched-suspend-service-undone', 'undone', await onService(id, 'suspend'));
  await unscripted();
  const scale = (instances: number) => onService(id, 'components/app/scale', { instances });
  await whole('batched-scale-out', 'completed', await scale(9));
  await whole('batched-scale-in', 'completed', await scale(2));
  await whole('batched-decommission', 'completed', await client.write('DELETE', `/v1/services/${id}`));
  await scripts('start', 1);
  await whole('batched-provision-undone', 'undone', await apply('undone'));
  await unscripted();
  // All on one host, so that it is known which start is which: the database starts, and one that needs it doesn't.
  for (const host of HOSTS.slice(1)) await client.write('POST', `/v1/hosts/${host}/cordon`);
  await scripts('start', (await startsOn(HOSTS[0] ?? '')) + 3);
  const provisioning = { onFailure: 'keep' };
  const kept = await whole('batched-provision-kept', 'stuck', await apply('kept', { provisioning }));
  await unscripted();
  await client.follow((await client.write('DELETE', `/v1/services/${kept}`)).id);
}

const scriptOf = (dataDir: string, hostId: string) =>
  join(dataDir, 'agents', 'agent', 'hosts', hostId, 'script.json');

const kebab = (type: string) => type.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
