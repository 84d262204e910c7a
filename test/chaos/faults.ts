import { type Action, type Picks, pick } from './actions';
import type { FaultOf, World } from './world';

const VERBS = [
  ...['define', 'start', 'pause', 'resume', 'suspend', 'restore', 'stop', 'destroy', 'resize'],
  ...['prepareTarget', 'send', 'switchOver', 'finish', 'cancel'],
] as const;

/** Mostly a host that has something to do, since a fault on another may never strike. */
function hostOf(world: World, [at = 0, , among = 0]: Picks): string {
  const busy = world.view.vees.map((v): string => v.hostId);
  return pick(busy.length > 0 && among % 4 > 0 ? busy : world.site.hostIds, at);
}

/** One process dies, with SIGKILL; what supervises it starts it again. */
const kill = (name: string, weight: number): Action => ({
  name: `kill ${name}`,
  weight,
  enabled: () => true,
  run: async (world, picks) => world.kill(name === 'agent' ? pick(world.agents, picks[0]) : name),
});

/** One process stands still for a while, perhaps for longer than anybody waits for it. */
const halt = (name: string, weight: number): Action => ({
  name: `stop ${name}`,
  weight,
  enabled: () => true,
  run: (world, picks) =>
    world.halt(name === 'agent' ? pick(world.agents, picks[0]) : name, 200 + ((picks[1] ?? 0) % 4_000)),
});

/** One host's driver does something wrong, at its next call of each verb or until it is mended. */
const wrong = (name: string, weight: number, faultOf: (pick: number) => FaultOf): Action => ({
  name,
  weight,
  enabled: () => true,
  run: async (world, picks) => {
    const hostId = hostOf(world, picks);
    const [, from = 0, , how = 0] = picks;
    const verbs = VERBS.filter((_, i) => (from >> i) % 2 === 0);
    await world.addFault(name, hostId, verbs, faultOf(how));
    return { outcome: 'done', about: `${verbs.join(' ')} on ${hostId}` };
  },
});

const whenOf = (n: number) => (n % 2 === 0 ? ('before' as const) : ('after' as const));

export const FAULTS: readonly Action[] = [
  kill('site', 2),
  kill('agent', 3),
  kill('api', 2),
  kill('mongodb', 1),
  kill('temporal', 1),
  halt('site', 1),
  halt('agent', 3),
  halt('api', 1),
  halt('mongodb', 1),
  halt('temporal', 1),
  wrong('verbs fail', 6, (n) => ({ when: whenOf(n), do: 'fail', code: 'driver-failed' })),
  wrong('verbs are refused', 4, (n) => ({ when: whenOf(n), do: 'fail', code: 'driver-refused' })),
  wrong('verbs lie', 6, () => ({ when: 'before', do: 'lie' })),
  wrong('verbs are late', 5, (n) => ({ when: whenOf(n), do: 'delay', millis: 500 + (n % 5_000) })),
  wrong('verbs hang', 1, (n) => ({ when: whenOf(n), do: 'hang' })),
  wrong('verbs lie until mended', 2, () => ({ when: 'before', do: 'lie', always: true })),
  wrong('verbs are refused until mended', 2, (n) => ({
    when: whenOf(n),
    do: 'fail',
    code: 'driver-refused',
    always: true,
  })),
  {
    name: 'slow host',
    weight: 2,
    enabled: () => true,
    run: async (world, picks) => {
      const hostId = hostOf(world, picks);
      const millis = 100 + ((picks[1] ?? 0) % 1_000);
      await world.slowDown(hostId, Object.fromEntries(VERBS.map((verb) => [verb, millis])));
      return { outcome: 'done', about: `${hostId} by ${millis} ms` };
    },
  },
];
