import type { Json } from '../support/json';
import { manifestOf } from '../support/manifests';
import type { Did, View, World } from './world';

/**
 * One kind of step. A new operation joins the chaos by one entry here: which share of the steps it gets, when it
 * can be asked for, and how. `picks` are numbers from the seed; an action takes what exists modulo them.
 */
export interface Action {
  readonly name: string;
  readonly weight: number;
  readonly enabled: (view: View) => boolean;
  readonly run: (world: World, picks: Picks, key: string) => Promise<Did>;
}
export type Picks = readonly number[];

const MOST_SERVICES = 20;
const MOST_VEES = 120;

export const pick = <T>(from: readonly T[], at = 0): T => {
  const found = from[at % from.length];
  if (found === undefined) throw new Error('nothing to pick from');
  return found;
};

/** Mostly those on hosts that have something wrong with them: else most faults would be met by nothing. */
function onFaulty(world: World, vees: readonly Json[], picks: Picks): readonly Json[] {
  const there = vees.filter((v) => world.faulty.includes(v.hostId));
  return there.length > 0 && (picks[3] ?? 0) % 3 > 0 ? there : vees;
}

const veesIn = (view: View, state: string) => view.vees.filter((v) => v.state === state);
const servicesIn = (view: View, phase: string) => view.services.filter((s) => s.phase === phase);

/** A verb on one VEE that is in the state which the verb starts from. */
function onVee(
  verb: string,
  weight: number,
  state: string,
  bodyOf?: (world: World, picks: Picks) => unknown,
): Action {
  return {
    name: verb,
    weight,
    enabled: (view) => veesIn(view, state).length > 0,
    run: (world, picks, key) => {
      const vee = pick(onFaulty(world, veesIn(world.view, state), picks), picks[0]);
      const body = bodyOf?.(world, picks);
      const write = { method: 'POST', path: `/v1/vees/${vee.id}/${verb}`, key };
      return world.write(body === undefined ? write : { ...write, body }, vee.id);
    },
  };
}

/** Something that is asked of a whole service. */
function onService(
  name: string,
  weight: number,
  phase: string,
  request: (service: Json, picks: Picks) => { method: string; path: string; body?: unknown },
): Action {
  return {
    name,
    weight,
    enabled: (view) => servicesIn(view, phase).length > 0,
    run: (world, picks, key) => {
      const service = pick(servicesIn(world.view, phase), picks[0]);
      return world.write({ ...request(service, picks), key }, service.name);
    },
  };
}

function onHost(verb: string, weight: number, bodyOf?: (picks: Picks) => unknown): Action {
  return {
    name: verb,
    weight,
    enabled: () => true,
    run: (world, picks, key) => {
      const host = pick(world.site.hostIds, picks[0]);
      const body = bodyOf?.(picks);
      const write = { method: 'POST', path: `/v1/hosts/${host}/${verb}`, key };
      return world.write(body === undefined ? write : { ...write, body }, host);
    },
  };
}

/** Something about an operation that was asked for since the last settle. */
function onOperation(name: string, weight: number, verb: string): Action {
  return {
    name,
    weight,
    enabled: () => true,
    run: async (world, picks, key) => {
      if (world.startedOperations.length === 0) return { outcome: 'moot' };
      // The latest are the likeliest to be under way.
      const latest = world.startedOperations.slice(-5);
      const id = pick(latest, picks[0]);
      return world.write({ method: 'POST', path: `/v1/operations/${id}/${verb}`, key }, id);
    },
  };
}

const PLACEMENTS: readonly unknown[] = [
  {},
  {},
  { antiAffinity: [{ within: 'app' }] },
  { antiAffinity: [{ between: ['db', 'app'] }] },
  { affinity: [{ together: ['db', 'app'] }] },
  { affinity: [{ together: ['db', 'app'], level: 'zone' }] },
  { antiAffinity: [{ within: 'app', level: 'zone' }] },
  // Refused.
  { antiAffinity: [{ within: 'app', level: 'site' }] },
];

/** A service whose size and rules come from the picks. */
function manifestFrom(name: string, picks: Picks): Json {
  const [size = 0, shape = 0, place = 0] = picks;
  const capacity = { cpuMillis: 100 + (size % 4) * 50, memoryMiB: 32 + (size % 3) * 32 };
  const components = [
    { name: 'db', image: 'busybox', capacity },
    {
      name: 'app',
      image: 'busybox',
      capacity,
      instances: { min: 1, initial: 1 + (shape % 3), max: 8 },
    },
    { name: 'cache', image: 'busybox', capacity },
  ];
  return manifestOf(name, {
    components: components.slice(0, 2 + (shape % 2)),
    placement: pick(PLACEMENTS, place),
  });
}

export const ACTIONS: readonly Action[] = [
  {
    name: 'apply',
    weight: 12,
    enabled: (view) => view.services.length < MOST_SERVICES && view.vees.length < MOST_VEES,
    run: (world, picks, key) => {
      const body = manifestFrom(`s${key.split('-').at(-1)}`, picks);
      return world.write({ method: 'POST', path: '/v1/services?tenant=acme', body, key }, body.name);
    },
  },
  onService('scale', 12, 'operating', (s, picks) => ({
    method: 'POST',
    path: `/v1/services/${s.id}/components/app/scale`,
    body: { instances: 1 + ((picks[1] ?? 0) % 6) },
  })),
  onService('suspend service', 3, 'operating', (s) => ({
    method: 'POST',
    path: `/v1/services/${s.id}/suspend`,
  })),
  onService('resume service', 4, 'suspended', (s) => ({
    method: 'POST',
    path: `/v1/services/${s.id}/resume`,
  })),
  onService('delete', 4, 'operating', (s) => ({ method: 'DELETE', path: `/v1/services/${s.id}` })),
  onVee('migrate', 14, 'ACTIVE', (world, [, to = 0, host]) =>
    to % 3 === 0 ? {} : { toHost: pick(to % 3 === 1 ? world.faultyOrAny : world.site.hostIds, host) },
  ),
  onVee('pause', 5, 'ACTIVE'),
  onVee('resume', 6, 'PAUSED'),
  onVee('suspend', 4, 'ACTIVE'),
  onVee('restore', 5, 'SUSPENDED'),
  onVee('restart', 6, 'ACTIVE'),
  onVee('resize', 6, 'ACTIVE', (_world, [, cpu = 0, memory = 0]) => ({
    cpuMillis: 50 + (cpu % 8) * 50,
    memoryMiB: 16 + (memory % 8) * 16,
  })),
  onService('recompose', 6, 'operating', (s, picks) => ({
    method: 'PUT',
    path: `/v1/services/${s.id}`,
    body: manifestFrom(s.name, picks),
  })),
  onService('migrate service', 4, 'operating', (s, [, partial = 0]) => ({
    method: 'POST',
    path: `/v1/services/${s.id}/migrate`,
    body: { partial: partial % 2 === 0 },
  })),
  // One that asks would wait for room that nobody makes.
  onHost('drain', 2, ([, immovable = 0]) => ({ immovable: immovable % 2 === 0 ? 'restart' : 'ignore' })),
  { ...onHost('restore', 5), name: 'restore host' },
  {
    name: 'reconcile',
    weight: 2,
    enabled: () => true,
    run: (world, _picks, key) => world.write({ method: 'POST', path: '/v1/reconcile', body: {}, key }),
  },
  {
    name: 'rebalance',
    weight: 3,
    enabled: () => true,
    run: (world, _picks, key) => world.write({ method: 'POST', path: '/v1/site/rebalance', body: {}, key }),
  },
  onHost('cordon', 2),
  onHost('uncordon', 4),
  onOperation('cancel', 6, 'cancel'),
  onOperation('retry', 3, 'retry'),
  {
    name: 'repeat a write',
    weight: 4,
    enabled: () => true,
    run: (world, picks) => world.repeat(picks[0] ?? 0),
  },
];
