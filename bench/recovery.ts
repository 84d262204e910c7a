import { setTimeout as delay } from 'node:timers/promises';
import { table } from '../cli/output';
import { Child } from '../supervisor/child';
import { begin, faultAt, isStepOf, type Run, type Scenario, Subjects } from '../test/operations/scenario';
import { scenarioNamed } from '../test/operations/scenarios';
import type { Step } from '../test/support/faults';
import { manifestOf } from '../test/support/manifests';
import { TestSite } from '../test/support/site';

/** What issue 4 allows. */
const BOUND_MILLIS = 5_000;
const WATCHED_MILLIS = 30_000;
/** How long there is no worker at all, where there is only one: a supervisor's moment, or longer than any time limit. */
const OUTAGES_MILLIS = [0, 1_000, 4_000, 10_000];

const LOCK: Step = { role: 'site', activity: 'lockVee', occurrence: 1 };
const PAUSE: Step = { role: 'agent', activity: 'changeVee', occurrence: 1 };

/** Operations at their worst moments: the worker holds a step of it, or holds its workflow, or it is in full flight. */
const HELD = [
  { step: LOCK, when: 'before' },
  { step: LOCK, when: 'after' },
  { step: PAUSE, when: 'before' },
] as const;

const capacity = { cpuMillis: 10, memoryMiB: 8 };
const CHAIN = Array.from({ length: 8 }, (_, i) => `c${i}`);
const IN_FLIGHT: Scenario = {
  name: 'service.provision of a chain',
  prepare: async (_site, name) => name,
  start: (site, name) =>
    site.apply(
      manifestOf(name, {
        components: CHAIN.map((c) => ({ name: c, image: 'busybox', capacity })),
        topology: {
          dependencies: CHAIN.slice(1).map((c, i) => ({ component: c, dependsOn: [CHAIN[i]] })),
        },
      }),
    ),
};

/** Site workers that come and go as the measurement wants, rather than as a supervisor does. */
class Workers {
  private readonly site: TestSite;
  private readonly living: Child[] = [];
  private serial = 0;

  constructor(site: TestSite) {
    this.site = site;
  }

  /** @returns when it was launched; it is ready afterwards */
  async add(): Promise<number> {
    const { spec } = this.site.system.child('site');
    const name = `site-${++this.serial}`;
    const child = new Child({ ...spec, name }, this.site.dataDir, () => undefined);
    this.living.push(child);
    const launched = Date.now();
    await child.start();
    return launched;
  }

  /** The one with this pid, or any, ends for good. */
  async kill(pid = this.living[0]?.pid): Promise<number> {
    const index = this.living.findIndex((c) => c.pid === pid);
    const [victim] = this.living.splice(index, 1);
    if (index < 0 || !victim || pid === undefined) throw new Error(`no worker has the pid ${pid}`);
    const at = Date.now();
    process.kill(pid, 'SIGKILL');
    // Only so that it is not started again.
    await victim.stop();
    return at;
  }

  async stop(): Promise<void> {
    for (const child of this.living) await child.stop();
  }
}

/**
 * How long operations stand still after `kill -9` of the site worker that carries them: with a second one alive, from
 * the kill; with none, from the start of the next.
 */
async function main(): Promise<void> {
  const kills = Number(process.argv[process.argv.indexOf('--kills') + 1]) || 50;
  const site = await TestSite.start({ ownEngines: true, environment: { SLUICE_ATTEMPT_MILLIS: '20000' } });
  const workers = new Workers(site);
  try {
    await workers.add();
    await site.system.child('site').stop();
    const alone: number[] = [];
    for (let i = 0; i < kills; i++)
      alone.push(...(await round(site, workers, OUTAGES_MILLIS[i % OUTAGES_MILLIS.length] ?? 0)));
    await workers.add();
    const second: number[] = [];
    for (let i = 0; i < kills; i++) second.push(...(await round(site, workers, undefined)));
    report(kills, { 'a second worker alive': second, 'no other, from the start of the next': alone });
  } finally {
    await workers.stop();
    await site.stop();
  }
}

/** @param outage until the next worker starts; undefined where a second one is alive all the time */
async function round(site: TestSite, workers: Workers, outage: number | undefined): Promise<number[]> {
  await site.faults.startTrace();
  const pause = scenarioNamed('vee.pause');
  const runs = await new Subjects(site, pause).runs(HELD.length);
  const held = await Promise.all(HELD.map((h, i) => hold(site, pause, runs[i] as Run, h.step, h.when)));
  const flying = await new Subjects(site, IN_FLIGHT).run();
  await begin(IN_FLIGHT, flying);
  await site.until('it is under way', WATCHED_MILLIS, async () =>
    (await site.faults.traced(flying.operationId)).some((r) => r.activity === 'startVee') ? true : undefined,
  );

  const killedAt = await workers.kill(site.faults.holder('site', held[0] as string));
  for (const [i, name] of held.entries()) await site.faults.release(HELD[i]?.step.role ?? '', name);
  let since = killedAt;
  if (outage !== undefined) {
    await delay(outage);
    since = await workers.add();
  }
  const all = [...runs, flying];
  await Promise.all(all.map((run) => site.ended(run.operationId, WATCHED_MILLIS)));
  if (outage === undefined) await workers.add();
  const traced = await site.faults.traced();
  const stood = all.map((run) => {
    const own = traced.filter((r) => isStepOf(run, r) && r.at > since);
    if (run !== flying) return (own[0]?.at ?? Number.POSITIVE_INFINITY) - since;
    // It has many steps to go, and may stand still between any two of them.
    return Math.max(...own.map((r, i) => r.at - (own[i - 1]?.at ?? since)));
  });
  const violations = await site.violations();
  if (violations.length > 0) throw new Error(violations.join('; '));
  await site.clean();
  process.stderr.write('.');
  return stood;
}

async function hold(
  site: TestSite,
  scenario: Scenario,
  run: Run,
  step: Step,
  when: 'before' | 'after',
): Promise<string> {
  const [name = ''] = await site.arm(step.role, faultAt(run, step, when, 'hold'));
  await begin(scenario, run);
  await site.until('it is held', WATCHED_MILLIS, async () =>
    site.faults.isHeld(step.role, name) ? true : undefined,
  );
  return name;
}

function report(kills: number, figures: Readonly<Record<string, readonly number[]>>): void {
  const rows = Object.entries(figures).map(([situation, millis]) => {
    const sorted = [...millis].sort((a, b) => a - b);
    const at = (share: number) => sorted[Math.ceil(sorted.length * share) - 1] ?? Number.NaN;
    return { situation, operations: sorted.length, p50: at(0.5), p99: at(0.99), most: at(1) };
  });
  const ratio = (millis: number) => Number((millis / BOUND_MILLIS).toFixed(2));
  if (process.argv.includes('--json'))
    console.log(
      JSON.stringify({
        kills,
        boundMillis: BOUND_MILLIS,
        rows: rows.map((r) => ({ ...r, ratio: ratio(r.p99) })),
      }),
    );
  else {
    process.stderr.write('\n');
    console.log(`How long operations stand still after kill -9 of their site worker, ${kills} kills each:`);
    console.log(
      table(
        ['with', 'operations', 'p50 ms', 'p99 ms', 'most ms', `p99 / ${BOUND_MILLIS} ms`],
        rows.map((r) => [r.situation, r.operations, r.p50, r.p99, r.most, ratio(r.p99)]),
      ),
    );
  }
  if (rows.some((r) => !(r.p99 <= BOUND_MILLIS))) process.exitCode = 1;
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
