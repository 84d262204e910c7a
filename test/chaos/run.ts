import { setTimeout as delay } from 'node:timers/promises';
import { DoubleWatch } from '../support/double-watch';
import { TestSite } from '../support/site';
import { ACTIONS, type Action } from './actions';
import { keepEvidence } from './evidence';
import { FAULTS } from './faults';
import type { Step } from './plan';
import { type Settled, settle } from './settle';
import { type Did, World } from './world';

export const KINDS: readonly Action[] = [...ACTIONS, ...FAULTS];
const BY_NAME = new Map(KINDS.map((k) => [k.name, k]));
const CAPACITY = { cpuMillis: 2_000, memoryMiB: 2_048, diskMiB: 20_480, bandwidthKbps: 1_000_000 };
const ZONES = 3;
/** Between two looks for a second copy that runs: a look reads a hundred files. */
const LOOK_MILLIS = 250;

export interface RunOptions {
  readonly steps: readonly Step[];
  readonly hosts: number;
  readonly agents: number;
  /** So many steps between two settles. */
  readonly settleEvery: number;
  /** A folder for what is needed to find out why, if something is wrong. */
  readonly evidence?: string;
  readonly onStep?: (step: Step, did: Did) => void;
  readonly onSettled?: (after: number, settled: Settled) => void;
}

export interface RunResult {
  /** How many of the steps were made, of which `millis` were spent on steps and not on settling. */
  readonly done: number;
  readonly millis: number;
  readonly settles: number;
  /** How many verbs of hosts met a fault that was laid in wait for them, by kind. */
  readonly struck: Readonly<Record<string, number>>;
  readonly violations: readonly string[];
}

/** Makes the steps on a site of its own, up to the first settle that finds something wrong. */
export async function run(options: RunOptions): Promise<RunResult> {
  const { steps, settleEvery } = options;
  const site = await startSite(options);
  const doubles = new DoubleWatch(site.dataDir, LOOK_MILLIS);
  const world = new World(site);
  let [settles, done] = [0, 0];
  const began = Date.now();
  const look = async (): Promise<readonly string[]> => {
    const settled = await settle(world);
    settles++;
    const twice = doubles.found.splice(0).map((d) => `1: for a moment ${d}`);
    const whole = { ...settled, violations: [...settled.violations, ...twice] };
    options.onSettled?.(done, whole);
    return whole.violations;
  };
  let violations: readonly string[] = [];
  try {
    for (const step of steps) {
      await world.refresh();
      const did = await make(world, step);
      done++;
      options.onStep?.(step, did);
      await delay(step.pauseMillis);
      if (done % settleEvery === 0 || done === steps.length) violations = await look();
      if (violations.length > 0) break;
    }
    if (violations.length > 0 && options.evidence)
      await keepEvidence(site, options.evidence, violations).catch((error) => console.error(error));
    return { done, millis: Date.now() - began, settles, struck: world.struck, violations };
  } finally {
    await world.heal();
    await doubles.stop();
    await site.stop();
  }
}

async function make(world: World, { kind, picks, index }: Step): Promise<Did> {
  const action = BY_NAME.get(kind);
  if (!action) throw new Error(`there is no kind of step "${kind}"`);
  return action.enabled(world.view) ? action.run(world, picks, `chaos-${index}`) : { outcome: 'moot' };
}

/** Thirty hosts by a few agents, on engines of its own: those are killed as well. */
function startSite({ hosts, agents }: RunOptions): Promise<TestSite> {
  for (const name of Object.keys(process.env))
    if (/^(TEMPORAL_|MONGODB_|SLUICE_)/.test(name)) delete process.env[name];
  const plans = Array.from({ length: hosts }, (_, i) => ({
    id: `host-${i + 1}`,
    driver: 'simulator',
    zone: `zone-${(i % ZONES) + 1}`,
    labels: { rack: `r${i + 1}` },
    capacity: CAPACITY,
  }));
  return TestSite.start({
    agents: Array.from({ length: agents }, (_, a) => ({
      id: `agent-${a + 1}`,
      hosts: plans.filter((_, i) => i % agents === a),
    })),
    ownEngines: true,
    environment: {
      SLUICE_SUSPECT_MILLIS: '1000',
      SLUICE_LOST_MILLIS: '3000',
      SLUICE_ATTEMPT_MILLIS: '2000',
      SLUICE_GIVE_UP_MILLIS: '6000',
      SLUICE_UNDO_GIVE_UP_MILLIS: '6000',
    },
  });
}
