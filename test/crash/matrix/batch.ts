import { begin, faultAt, isStepOf, type Run, Subjects, type Undo } from '../../operations/scenario';
import { look, stateOf } from '../../operations/subject-state';
import type { Json } from '../../support/json';
import type { TestSite } from '../../support/site';
import { type Cell, cellName, TARGETS, type Target } from './cells';

const REACH_MILLIS = 30_000;
/** Site activities time out after 20 s: what is held for longer is tried again, and is then no longer at its step. */
const HELD_MILLIS = 18_000;
const END_MILLIS = 120_000;
const READY_MILLIS = 60_000;

export interface CellResult {
  readonly cell: Cell;
  readonly outcome: string;
  /** From the kill to the start of the operation's next step, or to its end when there was none. */
  readonly movedAfterMillis: number | undefined;
  /** Why it is red. */
  readonly fault?: string;
}

export interface BatchResult {
  readonly results: readonly CellResult[];
  /** Something is left or broken, so the next batch takes a fresh site. */
  readonly spoiled: boolean;
  /** Not brought to their steps in time, and nothing else was wrong: in a smaller batch they may be. */
  readonly late: readonly Cell[];
}

/** One cell while its batch runs. */
interface Trial {
  readonly cell: Cell;
  readonly run: Run;
  /** The hold that stops it at its step. */
  hold?: { role: string; name: string };
  heldAt?: number;
  operation?: Json;
  fault?: string;
}

/**
 * Brings an operation to each cell's step and holds it there, kills the cells' target once under all of them, lets go
 * what still lives, and sees how each ends.
 */
export async function runBatch(
  site: TestSite,
  cells: readonly Cell[],
  undoOf: (cell: Cell) => Undo | undefined,
): Promise<BatchResult> {
  const target = cells[0]?.target as Target;
  await site.faults.startTrace();
  const trials = await prepare(site, cells);
  const before = await statesOf(site, trials);
  await Promise.all(trials.map((t) => failing(t, () => bringToStep(site, t, undoOf(t.cell)))));

  const traced = (await site.faults.traced()).length;
  const killedAt = Date.now();
  for (const t of trials)
    if (t.heldAt !== undefined && killedAt - t.heldAt > HELD_MILLIS)
      t.fault ??= `it was held for ${killedAt - t.heldAt} ms before all were: this machine is too slow`;
  const late = trials.filter((t) => t.fault !== undefined).map((t) => t.cell);
  const events = site.events.length;
  for (const name of TARGETS[target]) kill(site, name);
  for (const { hold } of trials) if (hold) await site.faults.release(hold.role, hold.name);

  await Promise.all(trials.map((t) => failing(t, () => seeItsEnd(site, t))));
  let [spoiled, violated] = [false, false];
  const broken = (error: unknown): void => {
    spoiled = true;
    for (const t of trials) t.fault ??= messageOf(error);
  };
  try {
    for (const name of TARGETS[target]) await restarted(site, name, events);
    for (const { cell } of trials) await cell.scenario.after?.(site);
    const after = await statesOf(site, trials);
    for (const [i, t] of trials.entries())
      if (t.operation?.state === 'undone' && JSON.stringify(after[i]) !== JSON.stringify(before[i]))
        t.fault ??= `undone, and not as before: ${JSON.stringify(before[i])} became ${JSON.stringify(after[i])}`;
    for (const violation of await site.violations()) {
      violated = true;
      blame(trials, violation);
    }
    const left = await site.clean();
    if (left.length > 0) broken(new Error(`left after clean-up: ${left.join('; ')}`));
  } catch (error) {
    broken(error);
  }
  await site.faults.disarm();
  const reached = (await site.faults.traced()).slice(traced);
  const results = trials.map((t): CellResult => {
    const own = reached.filter((r) => r.at > killedAt && isStepOf(t.run, r));
    return {
      cell: t.cell,
      outcome: t.fault === undefined ? outcomeOf(t) : 'red',
      // After its last step there is no next one: its end is what is left to see.
      movedAfterMillis: t.operation && (own[0]?.at ?? t.operation.endedAt) - killedAt,
      ...(t.fault === undefined ? {} : { fault: t.fault }),
    };
  });
  return { results, spoiled, late: spoiled || violated ? [] : late };
}

async function prepare(site: TestSite, cells: readonly Cell[]): Promise<Trial[]> {
  return Promise.all(
    cells.map(async (cell) => ({ cell, run: await new Subjects(site, cell.scenario).run() })),
  );
}

async function statesOf(site: TestSite, trials: readonly Trial[]): Promise<Json[]> {
  const sight = await look(site);
  return Promise.all(trials.map(({ run, cell }) => stateOf(site, run.name, sight, cell.scenario)));
}

async function bringToStep(site: TestSite, trial: Trial, undo: Undo | undefined): Promise<void> {
  const { cell, run } = trial;
  const { scenario, step, when } = cell;
  if (cell.undo) {
    if (!undo) throw new Error('it has no undo');
    await site.arm(undo.failing.role, faultAt(run, undo.failing, 'before', 'fail'));
  }
  const [name = ''] = await site.arm(step.role, faultAt(run, step, when, 'hold'));
  trial.hold = { role: step.role, name };
  const asked = begin(scenario, run);
  // An API that is held while it hands the request over does not answer, and then dies.
  if (step.role === 'api') asked.catch(() => undefined);
  else await asked;
  await site.until(`${cellName(cell)}: reaches its step`, REACH_MILLIS, async () => {
    if (site.faults.isHeld(step.role, name)) {
      trial.heldAt = Date.now();
      return true;
    }
    const { body } = await site.get(`/v1/operations/${run.operationId}`);
    if (body.endedAt !== undefined) throw new Error(`it ended ${body.state} without reaching the step`);
    return undefined;
  });
}

async function seeItsEnd(site: TestSite, trial: Trial): Promise<void> {
  if (trial.fault !== undefined) return;
  const { scenario, undo } = trial.cell;
  const allowed = undo ? ['undone'] : (scenario.endingsWhenKilled ?? ['completed']);
  const operation = await site.ended(trial.run.operationId, END_MILLIS);
  trial.operation = operation;
  const why = operation.error ?? operation.stuck;
  if (!allowed.includes(operation.state))
    trial.fault = `ended ${operation.state}, not ${allowed.join(' or ')}: ${JSON.stringify(why)}`;
  // Because of the failure that sent it back, not of what was killed.
  if (undo && !/^Injected before /.test(operation.error?.detail))
    trial.fault ??= `undone for another reason: ${JSON.stringify(why)}`;
  if (operation.state !== 'stuck') return;
  if (!operation.stuck?.error?.detail) trial.fault ??= 'stuck without a reason';
  await site.post(`/v1/operations/${operation.id}/retry`);
  const { state } = await site.until('it goes on after retry', END_MILLIS, async () => {
    const { body } = await site.get(`/v1/operations/${operation.id}`);
    return body.endedAt === undefined ? undefined : body;
  });
  if (state === 'stuck') trial.fault ??= 'still stuck after retry';
}

const outcomeOf = ({ operation }: Trial): string =>
  operation.state === 'stuck' ? 'stuck, then completed' : operation.state;

/** A violation names what it is about; one that names nothing of ours could be anybody's. */
function blame(trials: readonly Trial[], violation: string): void {
  const named = trials.filter(({ operation, run }) =>
    [run.operationId, operation?.serviceId, operation?.veeId, run.subject].some(
      (id) => id && violation.includes(id),
    ),
  );
  for (const t of named.length > 0 ? named : trials) t.fault ??= violation;
}

async function failing(trial: Trial, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    trial.fault ??= messageOf(error);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function kill(site: TestSite, name: string): void {
  const { pid } = site.system.child(name);
  if (pid === undefined) throw new Error(`${name} does not run`);
  process.kill(pid, 'SIGKILL');
}

/** The supervisor tells when what was killed does its work again. */
async function restarted(site: TestSite, name: string, since: number): Promise<void> {
  await site.until(`${name} runs again`, READY_MILLIS, async () =>
    site.events.slice(since).some((e) => e.kind === 'ready' && e.name === name) ? true : undefined,
  );
}
