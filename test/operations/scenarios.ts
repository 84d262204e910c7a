import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import { SimulatedHosts } from '../support/simulated-hosts';
import type { TestSite } from '../support/site';
import { LOST_HOST_SCENARIOS } from './lost-host-scenarios';
import type { Scenario } from './scenario';

export async function operating(
  site: TestSite,
  name: string,
  overrides: Record<string, unknown> = {},
): Promise<string> {
  const operation = await site.done(await site.apply(manifestOf(name, overrides)));
  return operation.serviceId;
}

const ONE_VEE = {
  components: [{ name: 'db', image: 'busybox', capacity: { cpuMillis: 100, memoryMiB: 64 } }],
  topology: {},
};

const hostOfDb = async (site: TestSite, id: string): Promise<string> =>
  (await site.vees(id)).find((v) => v.component === 'db').hostId;

const scale = (site: TestSite, id: string, instances: number) =>
  site.post(`/v1/services/${id}/components/app/scale`, { instances });

/** A verb on a service's only VEE, which was brought into a state before. */
const onVee = (
  verb: string,
  more: { before?: string; body?: unknown; noWayBackFrom?: string } = {},
): Scenario => ({
  name: `vee.${verb}`,
  prepare: async (site, name) => {
    const [vee] = await site.vees(await operating(site, name, ONE_VEE));
    if (more.before) await site.done(await site.post(`/v1/vees/${vee.id}/${more.before}`));
    return vee.id;
  },
  start: (site, veeId) => site.post(`/v1/vees/${veeId}/${verb}`, more.body),
  ...(more.noWayBackFrom ? { noWayBackFrom: more.noWayBackFrom } : {}),
});

/** One gets less from its host than is recorded; of the other a host has a copy, for a migration that nobody remembers. */
async function drift(site: TestSite, [small, twice]: readonly Json[]): Promise<void> {
  const hosts = new SimulatedHosts(site);
  const { spec, state } = await hosts.kept(small.hostId, small.id);
  const capacity = { ...spec.template.capacity, memoryMiB: 1 };
  await hosts.put(small.hostId, { state, spec: { ...spec, template: { ...spec.template, capacity } } });
  const elsewhere = site.hostIds.find((id) => id !== twice.hostId) ?? '';
  await hosts.put(elsewhere, { ...(await hosts.kept(twice.hostId, twice.id)), state: 'INCOMING' });
  await site.until('both are reported', 10_000, async () => {
    const { body } = await site.post('/v1/reconcile?dryRun=true', {});
    return body.findings?.length === 2 ? true : undefined;
  });
}

const capacity = { cpuMillis: 100, memoryMiB: 64 };
const DB = { name: 'db', image: 'busybox', capacity };
const APP = { name: 'app', image: 'busybox', capacity, instances: { min: 1, initial: 1, max: 20 } };

/** What `manifestOf` makes, as another manifest; the subject is the service's id and its name. */
const recompose = (
  what: string,
  changes: Record<string, unknown>,
  more: Partial<Scenario> = {},
): Scenario => ({
  name: `service.recompose-${what}`,
  prepare: async (site, name) => `${await operating(site, name)} ${name}`,
  start: (site, subject) => {
    const [id, name = ''] = subject.split(' ');
    return site.send('PUT', `/v1/services/${id}`, { body: manifestOf(name, changes) });
  },
  noWayBackFrom: 'commitRecomposition',
  ...more,
});

/** So large that where they are matters to a host of the tests' site. */
const CROWDED = {
  components: [
    {
      name: 'app',
      image: 'busybox',
      capacity: { cpuMillis: 3_000, memoryMiB: 3_000 },
      instances: { min: 1, initial: 4, max: 20 },
    },
  ],
  topology: {},
};

/** One on more VEEs than the crash matrix's site works on singly, with batches of so many. */
export const MATRIX_BATCH_SIZE = 4;
const MANY = { components: [DB, { ...APP, instances: { min: 1, initial: MATRIX_BATCH_SIZE + 1, max: 20 } }] };
const inBatches = (what: string, start: Scenario['start'], more: Partial<Scenario> = {}): Scenario => ({
  name: `service.${what}-in-batches`,
  failedIn: 'test/operations/batches.test.ts',
  sampled: true,
  prepare: (site, name) => operating(site, name, MANY),
  start,
  ...more,
});

/** Every operation that the crash suites put through: one entry adds one to all of them. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'service.provision',
    prepare: async (_site, name) => name,
    start: (site, name) => site.apply(manifestOf(name)),
  },
  {
    name: 'service.decommission',
    inTurn: true,
    prepare: operating,
    start: (site, id) => site.delete(`/v1/services/${id}`),
    noWayBackFrom: 'enterPhase',
  },
  {
    name: 'service.scale-out',
    inTurn: true,
    prepare: operating,
    start: (site, id) => scale(site, id, 2),
  },
  {
    name: 'service.scale-in',
    inTurn: true,
    prepare: async (site, name) => {
      const id = await operating(site, name);
      await site.done(await scale(site, id, 2));
      return id;
    },
    start: (site, id) => scale(site, id, 1),
    noWayBackFrom: 'destroyVee',
  },
  {
    name: 'service.suspend',
    inTurn: true,
    prepare: operating,
    start: (site, id) => site.post(`/v1/services/${id}/suspend`),
  },
  {
    name: 'service.resume',
    inTurn: true,
    prepare: async (site, name) => {
      const id = await operating(site, name);
      await site.done(await site.post(`/v1/services/${id}/suspend`));
      return id;
    },
    start: (site, id) => site.post(`/v1/services/${id}/resume`),
  },
  {
    name: 'service.migrate',
    inTurn: true,
    prepare: operating,
    start: (site, id) => site.post(`/v1/services/${id}/migrate`, {}),
    // Each VEE has its own point, past which it waits for an operator whatever becomes of the others.
    endingsWhenFailed: ({ activity }) =>
      ['commitMove', 'finishMigration', 'releaseStray'].includes(activity) ? ['stuck'] : ['undone'],
  },
  recompose(
    'roll',
    { components: [DB, { ...APP, command: ['/bin/new'] }], update: { maxUnavailable: 1, maxSurge: 0 } },
    { remakes: true, inTurn: true },
  ),
  recompose(
    'in-place',
    {
      components: [
        { ...DB, capacity: { cpuMillis: 150, memoryMiB: 64 } },
        { name: 'cache', image: 'busybox', capacity },
      ],
      topology: {},
    },
    { remakes: true, inTurn: true },
  ),
  recompose(
    'move',
    {},
    {
      inTurn: true,
      prepare: async (site, name) => {
        const id = await operating(site, name);
        return `${id} ${name} ${await hostOfDb(site, id)}`;
      },
      start: (site, subject) => {
        const [id, name = '', host] = subject.split(' ');
        const placement = { assignment: [{ component: 'db', denyHosts: [host] }] };
        return site.send('PUT', `/v1/services/${id}`, { body: manifestOf(name, { placement }) });
      },
      // What is moved has its own point, past which it goes forward; all of it may go back after that.
      endingsWhenFailed: ({ activity }) =>
        ['commitMove', 'finishMigration'].includes(activity) ? ['stuck'] : undefined,
    },
  ),
  onVee('migrate', { body: {}, noWayBackFrom: 'commitMove' }),
  onVee('pause'),
  onVee('resume', { before: 'pause' }),
  onVee('suspend'),
  onVee('restore', { before: 'suspend' }),
  onVee('restart'),
  onVee('resize', { body: { cpuMillis: 200 } }),
  {
    ...onVee('capture', { body: { name: 'warm' }, noWayBackFrom: 'commitState' }),
    name: 'image.capture',
    inTurn: true,
  },
  {
    name: 'host.drain',
    alone: true,
    inTurn: true,
    leavesMoved: true,
    prepare: async (site, name) => hostOfDb(site, await operating(site, name)),
    start: (site, hostId) => site.post(`/v1/hosts/${hostId}/drain`, {}),
    endingsWhenFailed: ({ activity }) => (activity === 'verifyDrained' ? ['stuck'] : ['undone']),
  },
  {
    name: 'host.restore',
    alone: true,
    inTurn: true,
    leavesMoved: true,
    prepare: async (site, name) => {
      const hostId = await hostOfDb(site, await operating(site, name));
      await site.done(await site.post(`/v1/hosts/${hostId}/drain`, {}));
      return hostId;
    },
    start: (site, hostId) => site.post(`/v1/hosts/${hostId}/restore`),
    noWayBackFrom: 'endMaintenance',
  },
  {
    name: 'site.shutdown',
    alone: true,
    inTurn: true,
    prepare: operating,
    start: (site) => site.post('/v1/site/shutdown'),
    endingsWhenFailed: ({ activity }) => (activity === 'verifyStill' ? ['stuck'] : ['undone']),
  },
  {
    name: 'site.power-up',
    alone: true,
    inTurn: true,
    prepare: async (site, name) => {
      const id = await operating(site, name);
      await site.done(await site.post('/v1/site/shutdown'));
      return id;
    },
    start: (site) => site.post('/v1/site/power-up'),
    endingsWhenFailed: ({ activity }) => (activity === 'listToWake' ? ['undone'] : ['stuck']),
  },
  {
    name: 'site.reconcile',
    alone: true,
    failedIn: 'test/operations/reconcile-steps.test.ts',
    prepare: async (site, name) => {
      const id = await operating(site, name);
      await drift(site, await site.vees(id));
      return id;
    },
    start: (site) => site.post('/v1/reconcile', {}),
    endingsWhenFailed: ({ activity }) => (activity === 'lookForDrift' ? ['undone'] : ['completed']),
  },
  {
    name: 'site.rebalance',
    alone: true,
    inTurn: true,
    leavesMoved: true,
    prepare: async (site, name) => {
      const [crowded, ...others] = site.hostIds;
      for (const id of others) await site.post(`/v1/hosts/${id}/cordon`);
      const id = await operating(site, name, CROWDED);
      for (const other of others) await site.post(`/v1/hosts/${other}/uncordon`);
      return `${id} ${crowded}`;
    },
    start: (site) => site.post('/v1/site/rebalance', { mostMoves: 2 }),
    noWayBackFrom: 'measureRebalanced',
  },
  inBatches('provision', (site, name) => site.apply(manifestOf(name, MANY)), {
    prepare: async (_site, name) => name,
  }),
  inBatches('decommission', (site, id) => site.delete(`/v1/services/${id}`), { noWayBackFrom: 'enterPhase' }),
  inBatches('suspend', (site, id) => site.post(`/v1/services/${id}/suspend`)),
  {
    ...onVee('resize', { body: { cpuMillis: 200, allowRestart: true } }),
    name: 'vee.resize-by-restart',
    inTurn: true,
    site: { environment: { SLUICE_SIMULATOR_LACKS: 'liveResize' } },
  },
  ...LOST_HOST_SCENARIOS,
];

/** @throws Error that names those there are */
export function scenarioNamed(name: string): Scenario {
  const found = SCENARIOS.find((s) => s.name === name);
  if (!found)
    throw new Error(`No operation is called ${name}: there are ${SCENARIOS.map((s) => s.name).join(', ')}.`);
  return found;
}
