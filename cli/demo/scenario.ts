import { ApiClient, type OperationView } from '../client';
import { describeEnd, stepPrinter } from '../output';
import type { TiedSite } from './tied-site';

export interface OperationRow {
  readonly kind: string;
  readonly id: string;
  readonly state: string;
  readonly ms: number;
  readonly steps: readonly { readonly name: string; readonly ms: number }[];
}

export interface ScenarioResult {
  readonly operations: readonly OperationRow[];
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

interface VeeRow {
  readonly id: string;
  readonly component: string;
  readonly index: number;
  readonly state: string;
  readonly hostId: string;
}

interface Setting {
  /** Filled as the story goes on, so that a story cut short still tells what ran. */
  readonly operations: OperationRow[];
  readonly keep: boolean;
  readonly say: (line: string) => void;
}

const TENANT = 'demo';

/** The story that the demo tells, through the public API alone; only the kill goes to a process. */
export async function runScenario(
  site: TiedSite,
  manifest: string,
  { operations, keep, say }: Setting,
): Promise<ScenarioResult> {
  const client = new ApiClient(site.ready.apiUrl, site.ready.token);

  async function conclude(
    what: string,
    started: OperationView,
    seen: (o: OperationView) => void = () => undefined,
  ): Promise<OperationView> {
    say(`\n${what}`);
    const print = stepPrinter(say);
    const ended = await client.follow(started.id, (o) => {
      print(o);
      seen(o);
    });
    say(describeEnd(ended));
    operations.push(record(ended));
    if (ended.state !== 'completed') throw new Error(`${ended.kind} ended ${ended.state}`);
    return ended;
  }

  await client.write('POST', '/v1/tenants', { id: TENANT });
  await clearLeftovers(client, say);

  const applied = await client.write('POST', `/v1/services?tenant=${TENANT}`, manifest, 'application/yaml');
  await conclude(
    'Apply the web shop: database, two application servers, load balancer, in start order',
    applied,
  );
  const { serviceId } = applied;
  const living = async () =>
    (await client.list<VeeRow>('/v1/vees', { service: serviceId })).filter((v) => v.state !== 'DESTROYED');
  showVees(await living(), say);

  const scaled = await client.write('POST', `/v1/services/${serviceId}/components/app/scale`, {
    instances: 3,
  });
  await conclude('Scale the application servers out to three, each on a host of its own', scaled);

  const first = member(await living(), 'db');
  const moved = await client.write('POST', `/v1/vees/${first.id}/migrate`, {});
  await conclude(`Migrate the database away from ${first.hostId}; its disk goes with it`, moved);

  const second = member(await living(), 'lb');
  const struck = await client.write('POST', `/v1/vees/${second.id}/migrate`, {});
  let killedAt: number | undefined;
  const survived = await conclude(
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
  showVees(await living(), say);

  if (!keep) {
    const ended = await client.write('DELETE', `/v1/services/${serviceId}`);
    await conclude('Decommission it: dependants end before what they depend on', ended);
  }
  const usage = (await client.get<{ items: UsageRow[] }>('/v1/usage', { service: serviceId })).items;
  const invariants = await client.get<ScenarioResult['invariants']>('/v1/invariants');
  return { operations, usage, invariants };
}

/** An earlier demo may have been cut off, or left its service on purpose. */
async function clearLeftovers(client: ApiClient, say: (line: string) => void): Promise<void> {
  const services = await client.list<{ id: string; name: string; phase: string }>('/v1/services', {
    name: 'webshop',
  });
  for (const service of services.filter((s) => s.phase !== 'decommissioned')) {
    say(`\nAn earlier demo left ${service.id}; decommissioning it first`);
    const started = await client.write('DELETE', `/v1/services/${service.id}`);
    say(describeEnd(await client.follow(started.id)));
  }
}

function member(vees: readonly VeeRow[], component: string): VeeRow {
  const vee = vees.find((v) => v.component === component);
  if (!vee) throw new Error(`the service has no ${component}`);
  return vee;
}

function showVees(vees: readonly VeeRow[], say: (line: string) => void): void {
  for (const v of vees) say(`  ${`${v.component}/${v.index}`.padEnd(8)}${v.state} on ${v.hostId}`);
}

function record(o: OperationView): OperationRow {
  const steps = o.steps.map((s) => ({ name: s.name, ms: (s.endedAt ?? s.startedAt) - s.startedAt }));
  return { kind: o.kind, id: o.id, state: o.state, ms: (o.endedAt ?? Date.now()) - o.createdAt, steps };
}
