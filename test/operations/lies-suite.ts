import type { SimulatorFault } from '../../drivers/simulator/script';
import { momentsOf } from '../support/lanes';
import { TestSite } from '../support/site';
import { Lane } from './lies-lane';
import type { Scenario } from './scenario';

const ATTEMPT_MILLIS = 1_000;
const GIVE_UP_MILLIS = 3_000;
/** Cases run side by side, each on hosts of its own: most of their time is waiting for limits to pass. */
const LANES = 6;
const HOSTS_A_LANE = 3;
/** Where each lane is a site, with processes of its own. */
const LANES_OF_WHOLE_SITES = 2;
const environment = {
  SLUICE_ATTEMPT_MILLIS: String(ATTEMPT_MILLIS),
  SLUICE_GIVE_UP_MILLIS: String(GIVE_UP_MILLIS),
  SLUICE_UNDO_GIVE_UP_MILLIS: String(GIVE_UP_MILLIS),
};

/** How a driver may be untrue about one verb, and which ends of the operation are honest then. */
interface Untruth {
  readonly name: string;
  readonly fault: Omit<SimulatorFault, 'verb' | 'call'>;
  /** At each call until the host is mended, or at the next one only. */
  readonly always?: true;
  /** Before anybody retries what is stuck. */
  readonly ends: readonly string[];
  /** Of what asks others to do it: it may ask again, or leave what could not be done, with a note that says why. */
  readonly endsOfWhole?: readonly string[];
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
    endsOfWhole: ['completed', 'noted', 'undone', 'stuck'],
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
    endsOfWhole: ['noted', 'undone', 'stuck'],
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
    endsOfWhole: ['completed', 'noted', 'undone', 'stuck'],
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
  const own = scenarios.find((s) => s.site)?.site;
  describe(`by a driver that lies${own ? ', where it takes a site of its own' : ''}`, () => {
    const alone = scenarios.some((s) => s.alone);
    let sites: TestSite[];
    let lanes: Lane[];

    beforeAll(async () => {
      const hosts = alone ? HOSTS_A_LANE : LANES * HOSTS_A_LANE;
      sites = await Promise.all(
        Array.from({ length: alone ? LANES_OF_WHOLE_SITES : 1 }, () =>
          TestSite.start({ hosts, ...own, environment: { ...environment, ...own?.environment } }),
        ),
      );
      lanes = alone
        ? sites.map((site, i) => Lane.ofWhole(site, i))
        : Array.from({ length: LANES }, (_, i) => Lane.ofPart(sites[0] as TestSite, i, HOSTS_A_LANE));
    }, 60_000);
    afterAll(() => Promise.all((sites ?? []).map((site) => site.stop())));

    // Each operation begins with another untruth, so that each verb meets several in CI.
    for (const [i, scenario] of scenarios.entries()) liesOfOne(scenario, i, () => lanes);
  });
}

function liesOfOne(
  { name, prepare, start, after: putRight, alone }: Scenario,
  offset: number,
  theLanes: () => readonly Lane[],
): void {
  describe(name, () => {
    let lanes: readonly Lane[];
    let forward: string[];
    let backward: { verb: string; because: string }[] = [];

    beforeAll(async () => {
      lanes = theLanes();
      const [lane] = lanes as [Lane];
      forward = await lane.verbsOf(async () => {
        const subject = await prepare(lane.site, lane.freshName());
        return async () => lane.site.done(await start(lane.site, subject));
      });
      if (!alone) return discoverUndo(lane);
      await putRight?.(lane.site);
      await lane.clean();
    }, 60_000);

    /** What asks others to go back is no undo of its own: theirs are lied to where they are asked for. */
    async function discoverUndo(lane: Lane): Promise<void> {
      // The undo with the most to do follows the last verb before the point of no return.
      for (const because of [...forward].reverse()) {
        let state = '';
        const used = await lane.verbsOf(async () => {
          const subject = await prepare(lane.site, lane.freshName());
          await lane.script({ verb: because, call: 0, ...refusal });
          return async () => {
            const { operation, waiting } = await lane.ended((await start(lane.site, subject)).body.id);
            state = operation.state;
            await lane.script();
            if (waiting.length > 0) await lane.settled(operation.id);
          };
        });
        await lane.clean();
        if (state !== 'undone') continue;
        backward = used.filter((verb) => !forward.includes(verb)).map((verb) => ({ verb, because }));
        return;
      }
    }

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
      let { operation, waiting } = await lane.ended(body.id);
      const state = waiting.length > 0 ? 'stuck' : operation.state;
      const ends = (alone && untruth.endsOfWhole) || untruth.ends;
      // To have left something where it was, and said so, is no completion.
      const end = state === 'completed' && operation.notes?.length > 0 ? 'noted' : state;
      // Whether it was stopped gently makes no difference to a VEE that is destroyed next.
      // And what a finish leaves on a source is superseded there: its agent ends it with the next heartbeat.
      const moot = (verb === 'stop' && forward.includes('destroy')) || verb === 'finish';
      const madeGood = moot && state === 'completed';
      if (!ends.includes(end) && !madeGood)
        wrong.push({ at, end, notes: operation.notes, error: operation.error, stuck: operation.stuck });
      // A host that is only said to be down goes on with what it has until it hears otherwise.
      const twice = putRight ? [] : await lane.runningTwice();
      if (twice.length > 0) wrong.push({ at, twice });
      await lane.script();
      if (waiting.length > 0) {
        operation = await lane.settled(operation.id);
        if (!['completed', 'undone'].includes(operation.state)) wrong.push({ at, retried: operation.state });
      }
      await putRight?.(lane.site);
      for (const found of [await lane.site.violations(), await lane.disagreements()])
        if (found.length > 0) wrong.push({ at, state: operation.state, found });
      await lane.clean();
      return wrong;
    }
  });
}

const refusal = { when: 'after', do: 'fail', code: 'driver-refused' } as const;
