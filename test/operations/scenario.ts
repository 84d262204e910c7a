import type { OperationId } from '../../domain/ids';
import { type Fault, isOf } from '../../process/fault-points';
import { type Reached, type Step, stepsOf } from '../support/faults';
import type { Json } from '../support/json';
import type { Reply, TestSite, TestSiteOptions } from '../support/site';

/** How an operation may end, or that it waits for an operator whose `retry` then completes it. */
export type Ending = 'completed' | 'undone' | 'stuck';

/**
 * An operation under test: fresh parameters before each run, and how it may end. The suites that fail, repeat
 * and undo each step, and the crash matrix, take every entry of `scenarios.ts`.
 */
export interface Scenario {
  readonly name: string;
  /**
   * Makes what the operation acts on, a service of this name or more. @returns what `start` needs to know of it:
   * the service, as a rule
   */
  prepare(site: TestSite, name: string): Promise<string>;
  /** Asks for the operation with exactly one write: it carries a key, which is good for one. */
  start(site: TestSite, subject: string): Promise<Reply<Json>>;
  /**
   * The first activity that has no way back: when it, or one after it, fails for good the operation is stuck and
   * goes forward once retried; one before it ends undone. Without it, it can be undone up to its end.
   */
  readonly noWayBackFrom?: string;
  /** Where that does not tell all: how it may end when this step fails for good. */
  endingsWhenFailed?(step: Step): readonly Ending[] | undefined;
  /** How it may end when processes are killed under it. Completed, unless said otherwise. */
  readonly endingsWhenKilled?: readonly Ending[];
  /** Undone, it does not take back what it had moved by then: each VEE runs, wherever that is. */
  readonly leavesMoved?: boolean;
  /** The test where its steps fail and are repeated: what is left then, its next run mends, which that test knows. */
  readonly failedIn?: string;
  /** Undone, what it had ended by then is made anew: as it was, under another id. */
  readonly remakes?: boolean;
  /** Too long for all of it in CI: there each of its steps fails at one of its moments, in turn, and half are repeated. */
  readonly inTurn?: boolean;
  /** It acts on more than was made for it, such as a host: no other may run beside it. */
  readonly alone?: boolean;
  /** The site that it takes, where the usual one won't do. */
  readonly site?: Pick<TestSiteOptions, 'agents' | 'environment'>;
  /** The operation under test is not the one that is asked for, but one which that asks for in turn: its id. */
  partOf?(asked: OperationId, subject: string): OperationId;
  /** Puts right what is wrong by its nature, such as a host that is lost. */
  after?(site: TestSite): Promise<void>;
  /** Of each activity the crash matrix takes the first call, and on hosts the last: those between are more of the same. */
  readonly sampled?: boolean;
}

export interface Run {
  /** Of the service that was made for it. */
  readonly name: string;
  readonly subject: string;
  readonly operationId: OperationId;
  /** The operation that is asked for: the same, unless that under test is a part of it. */
  readonly asked: OperationId;
  /** The site as the client that asks for the operation. */
  readonly client: TestSite;
}

let serial = 0;

/** What operations are tried on. To make one costs more than to try it, so one that was undone is taken again. */
export class Subjects {
  private readonly site: TestSite;
  private readonly scenario: Scenario;
  private readonly spare: Pick<Run, 'name' | 'subject'>[] = [];

  constructor(site: TestSite, scenario: Scenario) {
    this.site = site;
    this.scenario = scenario;
  }

  async runs(count: number): Promise<Run[]> {
    const taken = this.spare.splice(0, count);
    const fresh = Array.from({ length: count - taken.length }, async () => {
      const name = `s${serial++}`;
      return { name, subject: await this.scenario.prepare(this.site, name) };
    });
    return [...taken, ...(await Promise.all(fresh))].map((made) => {
      const key = `k${serial++}`;
      const asked = this.site.operationIdOf(key);
      const operationId = this.scenario.partOf?.(asked, made.subject) ?? asked;
      return { ...made, client: this.site.withKey(key), asked, operationId };
    });
  }

  async run(): Promise<Run> {
    return (await this.runs(1))[0] as Run;
  }

  /** It is as it was before: what an undone operation has to leave. */
  giveBack({ name, subject }: Run): void {
    this.spare.push({ name, subject });
  }
}

export async function begin(scenario: Scenario, { client, subject, asked }: Run): Promise<void> {
  const { status, body } = await scenario.start(client, subject);
  if (status !== 202 || body.id !== asked)
    throw new Error(`${scenario.name} was not started as ${asked}: ${status} ${JSON.stringify(body)}`);
}

/** The steps of an operation, from one clean run of it: so a new step is tested without anybody listing it. */
export async function discoverSteps(site: TestSite, scenario: Scenario): Promise<Step[]> {
  const run = await new Subjects(site, scenario).run();
  const { state, steps } = await traceRun(site, scenario, run);
  if (state !== 'completed') throw new Error(`a clean ${scenario.name} ended ${state}`);
  if (steps.length === 0) throw new Error(`${scenario.name} has no steps`);
  return steps;
}

export interface Undo {
  /** The last step with a way back: it fails, so that all before it is undone. */
  readonly failing: Step;
  readonly undos: readonly Step[];
}

/** What the undo of an operation does; nothing where it never goes back. */
export async function discoverUndo(
  site: TestSite,
  scenario: Scenario,
  steps: readonly Step[],
): Promise<Undo | undefined> {
  const failing = lastUndoable(scenario, steps);
  if (!failing) return undefined;
  const run = await new Subjects(site, scenario).run();
  await site.arm(failing.role, faultAt(run, failing, 'before', 'fail'));
  const { state, steps: taken } = await traceRun(site, scenario, run);
  if (state !== 'undone')
    throw new Error(`${scenario.name} ended ${state} when ${labelOf(failing)} failed: has it no way back?`);
  const undos = taken.slice(taken.findIndex((s) => isSame(s, failing)) + 1);
  return undos.length === 0 ? undefined : { failing, undos };
}

async function traceRun(
  site: TestSite,
  scenario: Scenario,
  run: Run,
): Promise<{ state: string; steps: Step[] }> {
  await site.faults.startTrace();
  const { length } = await site.faults.traced();
  await begin(scenario, run);
  const { state } = await site.ended(run.operationId);
  const since = (await site.faults.traced()).slice(length);
  return { state, steps: stepsOf(since.filter((r) => isStepOf(run, r))) };
}

/**
 * Is what was reached a step of this run? What keeps its record is none. What the operations do that it asks for as
 * parts of itself are steps of theirs: they are scenarios of their own.
 */
export function isStepOf(run: Run, { activity, workflowId }: Reached): boolean {
  return activity !== 'reportOperation' && isOf(run.operationId, workflowId);
}

/** The last one with a way back. What the API hands over has not begun, so it has nothing to undo. */
function lastUndoable(scenario: Scenario, steps: readonly Step[]): Step | undefined {
  return steps.findLast((s) => s.role !== 'api' && endingsWhenFailed(scenario, steps, s).join() === 'undone');
}

/** What the table of scenarios says of an operation of which this step fails for good. */
export function endingsWhenFailed(scenario: Scenario, steps: readonly Step[], step: Step): readonly Ending[] {
  const special = scenario.endingsWhenFailed?.(step);
  if (special) return special;
  const end = steps.findIndex((s) => s.activity === scenario.noWayBackFrom);
  if (scenario.noWayBackFrom !== undefined && end < 0)
    throw new Error(`${scenario.name} has no step ${scenario.noWayBackFrom}`);
  return end >= 0 && steps.indexOf(step) >= end ? ['stuck'] : ['undone'];
}

const isSame = (a: Step, b: Step): boolean =>
  a.role === b.role && a.activity === b.activity && a.occurrence === b.occurrence;

export const labelOf = ({ activity, occurrence }: Step): string => `${activity}#${occurrence}`;

/** A fault at a step of one run, which leaves those beside it alone. */
export function faultAt(
  { operationId }: Run,
  { activity, occurrence }: Step,
  when: Fault['when'],
  act: Fault['act'],
): Fault {
  return { activity, occurrence, when, act, operationId };
}
