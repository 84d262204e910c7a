import type { Fault } from '../../process/fault-points';
import type { Step } from '../support/faults';
import type { Json } from '../support/json';
import { everySecond, momentsOf } from '../support/lanes';
import { TestSite } from '../support/site';
import {
  begin,
  discoverSteps,
  discoverUndo,
  endingsWhenFailed,
  faultAt,
  labelOf,
  type Run,
  type Scenario,
  Subjects,
} from './scenario';
import { SCENARIOS } from './scenarios';
import { look, stateOf } from './subject-state';

const WHENS = ['before', 'after'] as const;
/**
 * Either way it is made twice: tried again by itself, or failed for good after its effect, until an operator has it tried
 * again. In CI each undo meets one of these, in turn.
 */
const UNDO_FAULTS = [
  { when: 'after', act: 'retry' },
  { when: 'after', act: 'fail' },
] as const;

/** CI has time for one moment of each step, whatever the scenario. */
const IN_TURN = process.env.SLUICE_IN_TURN !== undefined;

/** So many runs share a site, and one check of the invariants at their end. */
const SIDE_BY_SIDE = 8;

interface Case {
  readonly at: string;
  /** By role; all of them strike, or the case says nothing. */
  readonly faults: (run: Run) => readonly { readonly role: string; readonly fault: Fault }[];
  readonly judge: (at: string, operation: Json) => Promise<void> | void;
}

/** One of several files that share the scenarios, so that Jest's workers share the work. */
export function everyStepOfPart(part: number, parts: number): void {
  describe(`each step of each operation, part ${part} of ${parts}`, () => {
    let site: TestSite;
    beforeAll(async () => {
      site = await TestSite.start();
    }, 60_000);
    afterAll(() => site?.stop());

    for (const scenario of SCENARIOS.filter((s, i) => i % parts === part - 1 && !s.failedIn))
      everyStep(scenario, () => site);
  });
}

/** Fails, repeats and undoes each step of an operation in turn; which steps there are, it finds out by itself. */
function everyStep(scenario: Scenario, theSite: () => TestSite): void {
  describe(scenario.name, () => {
    let site: TestSite;
    let steps: readonly Step[];
    let subjects: Subjects;

    beforeAll(async () => {
      site = scenario.site ? await TestSite.start(scenario.site) : theSite();
      subjects = new Subjects(site, scenario);
      // What the API does by itself is no step that could be failed: it answers, and nothing has begun.
      steps = (await discoverSteps(site, scenario)).filter((s) => s.role !== 'api');
      if (scenario.alone) await site.clean();
    }, 60_000);

    afterAll(async () => {
      if (scenario.site) await site?.stop();
    });

    async function runAll(cases: readonly Case[]): Promise<void> {
      const width = scenario.alone ? 1 : SIDE_BY_SIDE;
      for (let i = 0; i < cases.length; i += width) {
        const some = cases.slice(i, i + width);
        const runs = await subjects.runs(some.length);
        const before = await statesOf(runs);
        const operations = await Promise.all(some.map((one, n) => runOne(one, runs[n] as Run)));
        const after = await statesOf(runs);
        for (const [n, { state }] of operations.entries()) {
          if (state !== 'undone') continue;
          const { at } = some[n] as Case;
          expect([at, after[n]]).toEqual([at, before[n]]);
          if (!scenario.alone) subjects.giveBack(runs[n] as Run);
        }
        const ats = some.map((c) => c.at);
        expect([ats, await site.violations()]).toEqual([ats, []]);
        if (scenario.alone) expect([ats, await site.clean()]).toEqual([ats, []]);
      }
    }

    async function statesOf(runs: readonly Run[]): Promise<Json[]> {
      const sight = await look(site);
      return Promise.all(runs.map(({ name }) => stateOf(site, name, sight, scenario)));
    }

    async function runOne({ at, faults, judge }: Case, run: Run): Promise<Json> {
      const armed: { role: string; name: string | undefined }[] = [];
      for (const { role, fault } of faults(run)) armed.push({ role, name: (await site.arm(role, fault))[0] });
      await begin(scenario, run);
      const operation = await site.ended(run.operationId);
      for (const { role, name } of armed) expect([at, site.faults.wasStruck(role, name)]).toEqual([at, true]);
      await judge(at, operation);
      // What was stuck has ended by now.
      return operation.state === 'stuck' ? site.ended(run.operationId) : operation;
    }

    /** Exactly the injected failure, and the ending that the table of scenarios says. */
    async function judgeFailure(at: string, operation: Json, step: Step): Promise<void> {
      const injected = `Injected ${at}.`;
      expect([at, endingsWhenFailed(scenario, steps, step)]).toEqual([
        at,
        expect.arrayContaining([operation.state]),
      ]);
      if (operation.state === 'completed') return;
      if (operation.state === 'undone') {
        expect([at, operation.error?.detail]).toEqual([at, injected]);
        expect(operation.steps.filter((s: Json) => s.state === 'stuck' || s.state === 'abandoned')).toEqual(
          [],
        );
        return;
      }
      expect([at, operation.stuck.error.detail]).toEqual([at, injected]);
      expect([at, await retried(at, operation)]).toEqual([at, 'completed']);
    }

    /** Nothing is given up by itself: it says which undo failed and why, and goes back further once that is tried again. */
    async function judgeFailedUndo(at: string, operation: Json, injected: string): Promise<void> {
      // A move that is taken back is a move: past its own point it goes forward, to where it was.
      expect([at, operation.state, operation.stuck?.choices]).toEqual([at, 'stuck', ['retry', 'abort']]);
      expect([at, operation.stuck.error.detail]).toEqual([at, expect.stringContaining(injected)]);
      expect([at, await retried(at, operation)]).toEqual([at, 'undone']);
    }

    /** How it ends once an operator has what is stuck tried again. */
    async function retried(at: string, { id }: Json): Promise<string> {
      await site.post(`/v1/operations/${id}/retry`);
      const ended = await site.until(`${at}: goes on`, 20_000, async () => {
        const { body } = await site.get(`/v1/operations/${id}`);
        return body.endedAt === undefined ? undefined : body;
      });
      return ended.state;
    }

    it('fails before and after each: it ends as its scenario says', async () => {
      await runAll(
        steps.flatMap((step, i) =>
          (scenario.inTurn || IN_TURN ? momentsOf(i, WHENS) : WHENS).map((when) => ({
            at: `${when} ${labelOf(step)}`,
            faults: (run: Run) => [{ role: step.role, fault: faultAt(run, step, when, 'fail') }],
            judge: (_at: string, operation: Json) =>
              judgeFailure(`${when} ${step.activity}`, operation, step),
          })),
        ),
      );
    }, 600_000);

    it('makes each undo twice, by itself or by an operator: what was undone stays undone', async () => {
      const undo = await discoverUndo(site, scenario, steps);
      if (scenario.alone) await site.clean();
      // Only what soon has no way back has none, and its scenario says so.
      if (!undo) return expect(steps.map((s) => s.activity)).toContain(scenario.noWayBackFrom);
      const { failing, undos } = undo;
      await runAll(
        undos.flatMap((step, i) =>
          momentsOf(i, UNDO_FAULTS).map(({ when, act }) => ({
            at: `undo ${when} ${labelOf(step)}: ${act}`,
            faults: (run: Run) => [
              { role: failing.role, fault: faultAt(run, failing, 'before', 'fail') },
              { role: step.role, fault: faultAt(run, step, when, act) },
            ],
            judge: (at: string, operation: Json) =>
              act === 'fail'
                ? judgeFailedUndo(at, operation, `Injected ${when} ${step.activity}.`)
                : expect([at, operation.state]).toEqual([at, 'undone']),
          })),
        ),
      );
    }, 600_000);

    it('makes each twice: the second time changes nothing, and it completes', async () => {
      await runAll(
        (scenario.inTurn || IN_TURN ? everySecond(steps) : steps).map((step) => ({
          at: `twice ${labelOf(step)}`,
          faults: (run: Run) => [{ role: step.role, fault: faultAt(run, step, 'after', 'retry') }],
          judge: (at: string, operation: Json) => expect([at, operation.state]).toEqual([at, 'completed']),
        })),
      );
    }, 600_000);

    it('leaves nothing on the hosts when all is over', async () => {
      expect(await site.clean()).toEqual([]);
    }, 60_000);
  });
}
