import { childId } from '../../activities/operations';
import type { ServiceId } from '../../domain/ids';
import type { AgentPlan } from '../../supervisor/system';
import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import type { TestSite } from '../support/site';
import type { Scenario } from './scenario';

const LOST = 'host-1';
const OTHERS = ['host-2', 'host-3'];
const capacity = { cpuMillis: 16_000, memoryMiB: 16_384, diskMiB: 1_000_000, bandwidthKbps: 1_000_000 };
const hostsOf = (ids: readonly string[]): AgentPlan['hosts'] =>
  ids.map((id) => ({ id, driver: 'simulator', capacity }));

/** The host that is lost has an agent of its own: that is frozen, and its VEEs are still there when it comes back. */
const site: Scenario['site'] = {
  agents: [
    { id: 'frozen', hosts: hostsOf([LOST]) },
    { id: 'agent', hosts: hostsOf(OTHERS) },
  ],
  // Longer than a killed API takes to be back: until then no host is heard.
  environment: { SLUICE_SUSPECT_MILLIS: '2000', SLUICE_LOST_MILLIS: '4000' },
};

async function loseHost(at: TestSite, name: string): Promise<ServiceId> {
  for (const other of OTHERS) await at.post(`/v1/hosts/${other}/cordon`);
  const component = { name: 'app', image: 'busybox', capacity: { cpuMillis: 100, memoryMiB: 64 } };
  const components = [{ ...component, instances: { initial: 2, max: 2 } }];
  const { serviceId } = await at.done(await at.apply(manifestOf(name, { components, topology: {} })));
  for (const other of OTHERS) await at.post(`/v1/hosts/${other}/uncordon`);
  signal(at, 'SIGSTOP');
  await becomes(at, 'lost');
  return serviceId;
}

/** The host is back, has heard what became of its VEEs, and all that was asked for has ended. */
async function findHost(at: TestSite): Promise<void> {
  signal(at, 'SIGCONT');
  await becomes(at, 'up');
  await at.until('all has ended', 40_000, async () =>
    (await at.all('/v1/operations')).every((o: Json) => o.endedAt !== undefined) ? true : undefined,
  );
  await at.until('its hosts are as recorded', 15_000, async () =>
    (await at.disagreements()).length === 0 ? true : undefined,
  );
}

function signal(at: TestSite, name: NodeJS.Signals): void {
  const { pid } = at.system.child('frozen');
  if (pid !== undefined) process.kill(pid, name);
}

const becomes = (at: TestSite, liveness: string): Promise<true> =>
  at.until(`${LOST} is ${liveness}`, 30_000, async () =>
    (await at.get(`/v1/hosts/${LOST}`)).body.liveness === liveness ? true : undefined,
  );

const recovery: Omit<Scenario, 'name'> = {
  alone: true,
  failedIn: 'test/operations/recover-steps.test.ts',
  site,
  prepare: loseHost,
  start: (at) => at.post(`/v1/hosts/${LOST}/recover`, { confirmedDown: true }),
  after: findHost,
};

export const LOST_HOST_SCENARIOS: readonly Scenario[] = [
  { ...recovery, name: 'host.recover', noWayBackFrom: 'fenceHost' },
  {
    ...recovery,
    name: 'service.relocate',
    partOf: (asked, serviceId) => childId(asked, `relocate/${serviceId}/1`),
    // What can't be made anew is left as it was, and named: the recovery then asks the operator.
    endingsWhenFailed: () => ['completed'],
  },
];
