import { join } from 'node:path';
import { readJson } from '../../drivers/lib/atomic-file';
import type { SimulatorFault, SimulatorScript } from '../../drivers/simulator/script';
import type { Json } from '../support/json';
import { momentsOf } from '../support/lanes';
import { TestSite } from '../support/site';
import type { Scenario } from './scenario';

const VERBS = [
  ...['define', 'start', 'pause', 'resume', 'suspend', 'restore', 'stop', 'destroy', 'resize'],
  ...['prepareTarget', 'send', 'switchOver', 'finish', 'cancel'],
];
const ATTEMPT_MILLIS = 1_000;
const GIVE_UP_MILLIS = 3_000;
/** Cases run side by side, each on hosts of its own: most of their time is waiting for limits to pass. */
const LANES = 6;
const HOSTS_A_LANE = 3;
/** A call that never comes: a fault for it makes the simulator count, and nothing else. */
const NEVER = 1_000_000;

/** How a driver may be untrue about one verb, and which ends of the operation are honest then. */
interface Untruth {
  readonly name: string;
  readonly fault: Omit<SimulatorFault, 'verb' | 'call'>;
  /** At each call until the host is mended, or at the next one only. */
  readonly always?: true;
  /** Before anybody retries what is stuck. */
  readonly ends: readonly string[];
}

const FORWARD: readonly Untruth[] = [
  {
    name: 'reports a passing failure of what succeeded',
    fault: { when: 'after', do: 'fail', code: 'driver-failed' },
    ends: ['completed'],
  },
  {
    name: 'refuses for good what succeeded',
    fault: { when: 'after', do: 'fail', code: 'driver-refused' },
    ends: ['undone', 'stuck'],
  },
  {
    name: 'reports success of what it did not do, once',
    fault: { when: 'before', do: 'lie' },
    ends: ['completed'],
  },
  {
    name: 'reports success of what it did not do, until it is mended',
    fault: { when: 'before', do: 'lie' },
    always: true,
    ends: ['undone', 'stuck'],
  },
  {
    name: 'goes on with what has timed out',
    fault: { when: 'before', do: 'delay', millis: 1.5 * ATTEMPT_MILLIS },
    ends: ['completed'],
  },
  {
    name: 'goes on with what was given up',
    fault: { when: 'before', do: 'delay', millis: GIVE_UP_MILLIS + ATTEMPT_MILLIS },
    // A verb that may take a VEE's grace time on top is not given up so soon.
    ends: ['undone', 'stuck', 'completed'],
  },
];

/** Of an undo: it is never left half done, so it ends undone, if need be with an operator's help. */
const BACKWARD: readonly Untruth[] = [
  {
    name: 'refuses for good an undo that succeeded',
    fault: { when: 'after', do: 'fail', code: 'driver-refused' },
    ends: ['stuck'],
  },
  {
    name: 'reports success of an undo that it did not do, until it is mended',
    fault: { when: 'before', do: 'lie' },
    always: true,
    ends: ['stuck'],
  },
];

interface Case {
  readonly verb: string;
  readonly untruth: Untruth;
  /** The verb that is made to fail so that there is something to undo. */
  readonly because?: string;
}

/**
 * Has the driver lie about each verb that these operations use, on their way forward and on their way back; which verbs
 * those are is seen in one true run of each. Whatever a driver says: no VEE runs twice, an end that is reported is
 * the end that is on the hosts, and what could not be made sure of waits for an operator.
 */
export function liesOf(scenarios: readonly Scenario[]): void {
  describe('by a driver that lies', () => {
    let site: TestSite;
    let lanes: Lane[];

    beforeAll(async () => {
      site = await TestSite.start({
        hosts: LANES * HOSTS_A_LANE,
        environment: {
          SLUICE_ATTEMPT_MILLIS: String(ATTEMPT_MILLIS),
          SLUICE_GIVE_UP_MILLIS: String(GIVE_UP_MILLIS),
          SLUICE_UNDO_GIVE_UP_MILLIS: String(GIVE_UP_MILLIS),
        },
      });
      lanes = Array.from({ length: LANES }, (_, i) => new Lane(site, i));
    }, 60_000);
    afterAll(() => site?.stop());

    // Each operation begins with another untruth, so that each verb meets several in CI.
    for (const [i, scenario] of scenarios.entries()) liesOfOne(scenario, i, () => ({ site, lanes }));
  });
}

function liesOfOne(
  { name, prepare, start }: Scenario,
  offset: number,
  where: () => { readonly site: TestSite; readonly lanes: readonly Lane[] },
): void {
  describe(name, () => {
    let site: TestSite;
    let lanes: readonly Lane[];
    let forward: string[];
    let backward: { verb: string; because: string }[] = [];

    beforeAll(async () => {
      ({ site, lanes } = where());
      const [lane] = lanes as [Lane];
      forward = await lane.verbsOf(async () => {
        const subject = await prepare(lane.site, lane.freshName());
        return async () => site.done(await start(lane.site, subject));
      });
      // The undo with the most to do follows the last verb before the point of no return.
      for (const because of [...forward].reverse()) {
        let state = '';
        const used = await lane.verbsOf(async () => {
          const subject = await prepare(lane.site, lane.freshName());
          await lane.script({ verb: because, call: 0, ...refusal });
          return async () => {
            const operation = await site.ended((await start(lane.site, subject)).body.id);
            state = operation.state;
            await lane.script();
            if (state === 'stuck') await settled(operation.id);
          };
        });
        await lane.clean();
        if (state !== 'undone') continue;
        backward = used.filter((verb) => !forward.includes(verb)).map((verb) => ({ verb, because }));
        break;
      }
    }, 60_000);

    it('uses verbs', () => expect(forward.length).toBeGreaterThan(0));

    it('ends as the hosts are, whatever their drivers say', async () => {
      const cases: Case[] = [
        ...forward.flatMap((verb, i) => momentsOf(offset + i, FORWARD).map((untruth) => ({ verb, untruth }))),
        ...backward.flatMap((undo) => BACKWARD.map((untruth) => ({ ...undo, untruth }))),
      ];
      const queue = [...cases];
      const wrong: unknown[] = [];
      await Promise.all(
        lanes.map(async (lane) => {
          for (let next = queue.shift(); next; next = queue.shift()) wrong.push(...(await run(lane, next)));
        }),
      );
      expect(wrong).toEqual([]);
    }, 600_000);

    /** The operation once an operator has had what is stuck tried again. */
    async function settled(id: string): Promise<Json> {
      await site.post(`/v1/operations/${id}/retry`);
      return site.until(`operation ${id} goes on`, 20_000, async () => {
        const { body } = await site.get(`/v1/operations/${id}`);
        return body.endedAt === undefined ? undefined : body;
      });
    }

    /** @returns what was not as it should be */
    async function run(lane: Lane, { verb, untruth, because }: Case): Promise<unknown[]> {
      const at = `${verb}: the driver ${untruth.name}`;
      const wrong: unknown[] = [];
      const subject = await prepare(lane.site, lane.freshName());
      await lane.script(
        { verb, call: untruth.always ? 0 : 'next', ...untruth.fault },
        ...(because ? [{ verb: because, call: 0, ...refusal } as const] : []),
      );
      const { body, status } = await start(lane.site, subject);
      if (status !== 202) return [{ at, status, body }];
      let operation = await site.ended(body.id);
      // Whether it was stopped gently makes no difference to a VEE that is destroyed next.
      // And what a finish leaves on a source is superseded there: its agent ends it with the next heartbeat.
      const moot = (verb === 'stop' && forward.includes('destroy')) || verb === 'finish';
      const madeGood = moot && operation.state === 'completed';
      if (!untruth.ends.includes(operation.state) && !madeGood)
        wrong.push({ at, state: operation.state, error: operation.error, stuck: operation.stuck });
      const twice = await lane.runningTwice();
      if (twice.length > 0) wrong.push({ at, twice });
      await lane.script();
      if (operation.state === 'stuck') {
        operation = await settled(operation.id);
        if (!['completed', 'undone'].includes(operation.state)) wrong.push({ at, retried: operation.state });
      }
      for (const found of [await site.violations(), await lane.disagreements()])
        if (found.length > 0) wrong.push({ at, state: operation.state, found });
      await lane.clean();
      return wrong;
    }
  });
}

const refusal = { when: 'after', do: 'fail', code: 'driver-refused' } as const;

/** Some hosts of a site, and a view of the site through which every manifest keeps to those alone. */
class Lane {
  readonly site: TestSite;
  private readonly hosts: readonly string[];
  private readonly prefix: string;
  private serial = 0;

  constructor(site: TestSite, index: number) {
    this.prefix = `l${index}`;
    this.hosts = site.hostIds.slice(index * HOSTS_A_LANE, (index + 1) * HOSTS_A_LANE);
    const allowHosts = this.hosts;
    const confined = (manifest: Json): Json => {
      const own = manifest.components.map((c: Json) => ({ component: c.name, allowHosts }));
      const { assignment = [], ...placement } = manifest.placement ?? {};
      return { ...manifest, placement: { ...placement, assignment: [...assignment, ...own] } };
    };
    this.site = Object.assign(Object.create(site) as TestSite, {
      send: (method: string, path: string, options: Parameters<TestSite['send']>[2] = {}) => {
        const body = options.body as Json;
        return site.send(
          method,
          path,
          body?.kind === 'Service' ? { ...options, body: confined(body) } : options,
        );
      },
    });
  }

  freshName = () => `${this.prefix}-${this.serial++}`;

  /** The same faults on each of its hosts; with none they behave again. */
  async script(
    ...faults: (Omit<SimulatorFault, 'call'> & { readonly call: number | 'next' })[]
  ): Promise<void> {
    for (const host of this.hosts) {
      const numbered = await Promise.all(
        faults.map(async (f) => ({
          ...f,
          call: f.call === 'next' ? await this.site.nextCall(host, f.verb) : f.call,
        })),
      );
      await this.site.script(host, numbered.length > 0 ? { faults: numbered } : undefined);
    }
  }

  /** Which verbs are called while `prepared` runs, in the order of `VERBS`. */
  async verbsOf(prepare: () => Promise<() => Promise<unknown>>): Promise<string[]> {
    const run = await prepare();
    const before = await this.total();
    const counting = VERBS.map((verb) => ({ verb, call: NEVER, when: 'before', do: 'fail' }) as const);
    for (const host of this.hosts) {
      const kept = await readJson<SimulatorScript>(join(this.site.hostFolder(host), 'script.json'));
      await this.site.script(host, { faults: [...(kept?.faults ?? []), ...counting] });
    }
    await run();
    await this.script();
    const after = await this.total();
    return VERBS.filter((v) => (after[v] ?? 0) > (before[v] ?? 0));
  }

  async runningTwice(): Promise<string[]> {
    const running = (await this.held()).filter((v) => v.state === 'ACTIVE').map((v) => v.veeId);
    return running.filter((v, i) => running.indexOf(v) !== i);
  }

  disagreements = () => this.site.disagreements((hostId) => this.hosts.includes(hostId));

  async clean(): Promise<void> {
    for (const service of await this.site.all('/v1/services'))
      if (service.name.startsWith(`${this.prefix}-`) && service.phase !== 'decommissioned')
        await this.site.done(await this.site.delete(`/v1/services/${service.id}`));
    expect(await this.held()).toEqual([]);
  }

  private held = async () => (await this.site.onHosts()).filter((v) => this.hosts.includes(v.hostId));

  private async total(): Promise<Record<string, number>> {
    const total: Record<string, number> = {};
    for (const host of this.hosts)
      for (const [verb, n] of Object.entries(await this.site.calls(host)))
        total[verb] = (total[verb] ?? 0) + n;
    return total;
  }
}
