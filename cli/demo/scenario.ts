import { ApiClient } from '../client';
import { describeEnd } from '../output';
import { type MachinesTold, tellOfMachines } from './machines';
import { type OperationRow, Story, TENANT } from './story';
import type { TiedSite } from './tied-site';

export interface ScenarioResult {
  readonly operations: readonly OperationRow[];
  readonly machines: MachinesTold | undefined;
  readonly usage: UsageRow[];
  readonly invariants: { checked: number; violations: string[] };
}

export interface UsageRow {
  readonly veeId: string;
  readonly component: string;
  readonly index: number;
  readonly activeMillis: number;
  readonly cpuMillisMilliseconds: string;
  readonly memoryMiBMilliseconds: string;
  readonly hosts: readonly string[];
}

export interface Manifests {
  readonly webshop: string;
  /** Absent where no machines can run. */
  readonly mixed: string | undefined;
}

interface Setting {
  readonly operations: OperationRow[];
  readonly keep: boolean;
  readonly say: (line: string) => void;
}

/** The story that the demo tells, through the public API alone; only the kill goes to a process. */
export async function runScenario(
  site: TiedSite,
  manifests: Manifests,
  { operations, keep, say }: Setting,
): Promise<ScenarioResult> {
  const client = new ApiClient(site.ready.apiUrl, site.ready.token);
  const story = new Story(client, say, operations);
  await client.write('POST', '/v1/tenants', { id: TENANT });
  await clearLeftovers(client, say);

  // A machine boots for some seconds: it does so while the shop is told of.
  const mixed = manifests.mixed === undefined ? undefined : await story.apply(manifests.mixed);
  const serviceId = await tellOfShop(site, story, manifests.webshop);
  const machines = mixed && (await tellOfMachines(story, mixed));
  const services = [serviceId, ...(mixed ? [mixed.serviceId] : [])];
  if (!keep) {
    const ends = await Promise.all(services.map((id) => client.write('DELETE', `/v1/services/${id}`)));
    for (const [i, end] of ends.entries())
      await story.conclude(
        `Decommission the ${i === 0 ? 'shop: dependants end before what they depend on' : 'other service'}`,
        end,
      );
  }
  const usage: UsageRow[] = [];
  for (const service of services)
    usage.push(...(await client.get<{ items: UsageRow[] }>('/v1/usage', { service })).items);
  const invariants = await client.get<ScenarioResult['invariants']>('/v1/invariants');
  return { operations, machines, usage, invariants };
}

/** @returns the service's id */
async function tellOfShop(site: TiedSite, story: Story, manifest: string): Promise<string> {
  const { client, say } = story;
  const applied = await story.apply(manifest);
  await story.conclude(
    'Apply the web shop: database, two application servers, load balancer, in start order',
    applied,
  );
  const { serviceId } = applied;
  await story.showVees(serviceId);

  const scaled = await client.write('POST', `/v1/services/${serviceId}/components/app/scale`, {
    instances: 3,
  });
  await story.conclude('Scale the application servers out to three, each on a host of its own', scaled);

  const first = await story.member(serviceId, 'db');
  await story.conclude(
    `Migrate the database away from ${first.hostId}; its disk goes with it`,
    await story.migrate(first),
  );

  const struck = await story.migrate(await story.member(serviceId, 'lb'));
  let killedAt: number | undefined;
  const survived = await story.conclude(
    'Migrate the load balancer, and kill the site worker in the middle of it',
    struck,
    (o) => {
      const begun = o.steps.some((s) => s.name === 'plan and reserve');
      if (killedAt !== undefined || !begun || o.endedAt !== undefined) return;
      const pid = site.pidOf('site');
      say(`  kill -9 ${pid} (site worker), at step ${o.progress.done} of ${o.progress.total}`);
      process.kill(pid, 'SIGKILL');
      killedAt = Date.now();
    },
  );
  if (killedAt === undefined || (survived.endedAt ?? 0) < killedAt)
    throw new Error('the operation was over before the worker could be killed: the demo proved nothing');
  say(`  It went on in a new worker and ended ${(survived.endedAt ?? 0) - killedAt} ms after the kill.`);
  await story.showVees(serviceId);
  return serviceId;
}

/** An earlier demo may have been cut off, or left its services on purpose. */
async function clearLeftovers(client: ApiClient, say: (line: string) => void): Promise<void> {
  const named = (name: string) => client.list<{ id: string; phase: string }>('/v1/services', { name });
  const services = [...(await named('webshop')), ...(await named('mixed'))];
  for (const service of services.filter((s) => s.phase !== 'decommissioned')) {
    say(`\nAn earlier demo left ${service.id}; decommissioning it first`);
    const started = await client.write('DELETE', `/v1/services/${service.id}`);
    say(describeEnd(await client.follow(started.id)));
  }
}
