import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ApiClient, OperationView } from '../cli/client';

const HOSTS = ['host-1', 'host-2', 'host-3', 'host-4'];
const capacity = { cpuMillis: 100, memoryMiB: 64 };
const db = { name: 'db', image: 'busybox', capacity };
const app = { name: 'app', image: 'busybox', capacity, instances: { min: 1, initial: 2, max: 5 } };
const dependencies = [{ component: 'app', dependsOn: ['db'] }];

const manifestOf = (name: string, components: readonly unknown[], rest: Record<string, unknown> = {}) => ({
  apiVersion: 'sluice/v1',
  kind: 'Service',
  name,
  components,
  topology: { dependencies },
  ...rest,
});

/** Every shape of a re-composition, and of a provisioning that keeps what starts. */
export async function recordRecompositions(
  client: ApiClient,
  dataDir: string,
  run: (name: string, started: OperationView) => Promise<OperationView>,
): Promise<void> {
  const others = async (verb: 'cordon' | 'uncordon') => {
    for (const host of HOSTS.slice(1)) await client.write('POST', `/v1/hosts/${host}/${verb}`);
  };
  const scripted = async (call: number) => {
    const faults = [{ verb: 'start', call, when: 'before', do: 'fail', code: 'driver-refused' }];
    await writeFile(scriptOf(dataDir), JSON.stringify({ faults }));
  };
  const apply = async (manifest: unknown) => client.write('POST', '/v1/services?tenant=acme', manifest);
  const operating = async (name: string) =>
    (await client.follow((await apply(manifestOf(name, [db, app]))).id)).serviceId;
  const put = (id: string, manifest: unknown) => client.write('PUT', `/v1/services/${id}`, manifest);
  const ending = async (state: string, name: string, started: OperationView) => {
    const ended = await run(name, started);
    if (ended.state !== state)
      throw new Error(`${name} ended ${ended.state}: ${JSON.stringify(ended.error)}`);
    return ended.serviceId;
  };

  // All on one host, so that it is known which start is which, and so that apart means a move.
  await others('cordon');
  const id = await operating('recomposed');
  const rolled = [db, { ...app, command: ['/bin/new'] }];
  const endsFirst = { update: { maxUnavailable: 1, maxSurge: 0 } };
  await scripted(2);
  await ending('undone', 'recompose-undone', await put(id, manifestOf('recomposed', rolled, endsFirst)));
  await rm(scriptOf(dataDir));
  await ending('completed', 'recompose', await put(id, manifestOf('recomposed', rolled, endsFirst)));
  await others('uncordon');
  const resized = { ...db, capacity: { cpuMillis: 150, memoryMiB: 64 } };
  await ending(
    'completed',
    'recompose-in-place',
    await put(
      id,
      manifestOf('recomposed', [resized, rolled[1], { name: 'cache', image: 'busybox', capacity }], {
        placement: { antiAffinity: [{ within: 'app' }] },
      }),
    ),
  );
  await others('cordon');
  const keeps = await operating('keeps');
  await scripted(5);
  await ending(
    'stuck',
    'recompose-kept',
    await put(keeps, manifestOf('keeps', rolled, { update: { onFailure: 'keep', maxSurge: 2 } })),
  );
  await scripted(8);
  const partly = await ending(
    'stuck',
    'provision-kept',
    await apply(manifestOf('partly', [db, app], { provisioning: { onFailure: 'keep' } })),
  );
  await rm(scriptOf(dataDir));
  await others('uncordon');
  for (const service of [id, keeps, partly])
    await client.follow((await client.write('DELETE', `/v1/services/${service}`)).id);
}

const scriptOf = (dataDir: string) =>
  join(dataDir, 'agents', 'agent', 'hosts', HOSTS[0] ?? '', 'script.json');
