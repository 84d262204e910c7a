import {
  ApplicationFailure,
  allHandlersFinished,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  getExternalWorkflowHandle,
  log,
  setCurrentDetails,
  setHandler,
} from '@temporalio/workflow';
import type { ErrorSummary } from '../../domain/errors';
import { entityWorkflowId, type HostId } from '../../domain/ids';
import type {
  OperationInput,
  OperationNote,
  OperationOutcome,
  OperationProgress,
  OperationState,
  StuckReason,
} from '../../domain/operation/operation';
import {
  CANCEL_UPDATE,
  FENCED_SIGNAL,
  FINISHED_SIGNAL,
  PROGRESS_QUERY,
  RESOLVE_UPDATE,
  type Resolution,
} from '../../domain/service/messages';
import { now } from './clock';
import { describeProgress } from './details';
import { Aborted, CancelledByRequest, summarise } from './failure';
import { Fences } from './fences';
import { Interrupts } from './interrupts';
import { Journal } from './journal';
import { isPatched } from './patches';
import { type Bookkeeper, type OpenStep, Saga, type Step, type Steps } from './saga';
import { tagState } from './search-attributes';

/** So many notes travel in a report: a drain may leave more behind, and its host names all that is left. */
const MOST_NOTES = 100;

/**
 * Runs one operation: steps forward, undo in reverse when a step fails or the operator cancels, and after
 * the point of no return only forward. What can go neither way waits, `stuck`, for the operator's word.
 *
 * The body is shielded from Temporal's own cancellation, which would abandon activities in mid-flight: a
 * cancel only keeps further steps from starting, and what is under way is awaited before it is undone.
 */
export async function runOperation<I extends OperationInput>(
  input: I,
  body: (operation: Operation) => Promise<void>,
): Promise<OperationOutcome> {
  const operation = new Operation(input);
  const { cancelRequested } = CancellationScope.current();
  cancelRequested.catch(() => operation.requestCancel());
  const outcome = await CancellationScope.nonCancellable(() => operation.conduct(body));
  await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  return outcome;
}

type Direction = 'running' | 'undoing';

export class Operation implements Steps, Bookkeeper {
  readonly input: OperationInput;
  readonly fences = new Fences();
  private readonly steps: OpenStep[] = [];
  private readonly weights = new Map<OpenStep, number>();
  private readonly notes: OperationNote[] = [];
  private readonly whole: Saga;
  private readonly journal: Journal;
  private readonly interrupts = new Interrupts();
  private readonly stuck: StuckReason[] = [];
  private direction: Direction = 'running';
  private ended: OperationState | undefined;
  private kept: StuckReason | undefined;
  private error: ErrorSummary | undefined;
  private resolution: { action: Resolution; serial: number } = { action: 'retry', serial: 0 };
  private expected = 0;
  /** Of the stuck steps, those that a cancel would end. */
  private waitingForWord = 0;
  private cancelled = false;

  constructor(input: OperationInput) {
    this.input = input;
    this.whole = new Saga(this);
    this.journal = new Journal(input.operationId, now(), (final) => this.progress(final));
    setHandler(defineQuery<OperationProgress>(PROGRESS_QUERY), () => this.progress(this.ended !== undefined));
    setHandler(defineUpdate<void, []>(CANCEL_UPDATE), () => this.requestCancel(), {
      validator: () => {
        if (!this.cancellable)
          throw ApplicationFailure.nonRetryable(
            'It is past its point of no return, or already going back.',
            'not-cancellable',
          );
      },
    });
    setHandler(defineSignal<[HostId]>(FENCED_SIGNAL), (hostId) => this.fences.raise(hostId));
    setHandler(defineUpdate<void, [Resolution]>(RESOLVE_UPDATE), (action) => this.resolve(action), {
      validator: (_action: Resolution) => {
        if (this.stuck.length === 0)
          throw ApplicationFailure.nonRetryable(`It is ${this.state}.`, 'not-stuck');
      },
    });
  }

  /** How many more steps are known of now; makes the progress a fraction that people can trust. */
  expect(steps: number): void {
    this.expected = this.weighed(this.steps) + steps;
    this.changed();
  }

  pointOfNoReturn(): void {
    this.whole.pointOfNoReturn();
  }

  step<T>(step: Step<T>): Promise<T> {
    return this.whole.step(step);
  }

  onUndo(name: string, undo: () => Promise<unknown>): void {
    this.whole.onUndo(name, undo);
  }

  /**
   * A part that goes back by itself when it fails, before the failure reaches the caller; who catches it lets the
   * operation go on without that part.
   */
  async part<T>(body: (part: Saga) => Promise<T>): Promise<T> {
    const part = new Saga(this);
    try {
      return await body(part);
    } catch (error) {
      if (!(error instanceof Aborted)) await part.goBack();
      throw error;
    }
  }

  /** Is this failure the end of the whole: a cancel, or a step that was given up? */
  isEnding(error: unknown): boolean {
    return this.cancelled || error instanceof Aborted;
  }

  /**
   * Ends the operation as it stands, because a part of it failed and what was done is to be kept: neither completed
   * nor undone, with the reason, and nothing to decide any more.
   */
  keep(reason: Omit<StuckReason, 'choices'>): never {
    this.kept = { ...reason, choices: [] };
    throw new Aborted(reason.error);
  }

  /** Says what the operation leaves undone although it completes, and why. */
  note(note: OperationNote): void {
    if (this.notes.length < MOST_NOTES) this.notes.push(note);
    this.changed();
  }

  /** The same, as it stands now: what was left a while ago may have gone since. */
  replaceNotes(notes: readonly OperationNote[]): void {
    this.notes.splice(0, this.notes.length, ...notes.slice(0, MOST_NOTES));
    this.changed();
  }

  requestCancel(): void {
    if (!this.cancellable) return;
    this.cancelled = true;
    this.interrupts.cancel();
    this.changed();
  }

  async conduct(body: (operation: Operation) => Promise<void>): Promise<OperationOutcome> {
    this.tagged();
    try {
      await body(this);
      // It came during the last step, and was accepted.
      if (this.cancellable && this.cancelled && isPatched('cancelAtTheEnd')) throw new CancelledByRequest();
      return await this.finish('completed');
    } catch (error) {
      const summary = summarise(error);
      // Without our own words for it the log is the only place that has the cause.
      if (summary.code === 'internal') log.error('operation failed unexpectedly', { error });
      this.error = summary;
      if (error instanceof Aborted) return await this.finish('stuck');
    }
    this.direction = 'undoing';
    this.tagged();
    try {
      await this.whole.goBack(() => this.end('undone'));
    } catch {
      return await this.finish('stuck');
    }
    return await this.finish('undone');
  }

  // What its sagas need of it.

  open(record: OpenStep, weight = 1): void {
    this.steps.push(record);
    this.weights.set(record, weight);
    this.changed();
  }

  changed(): void {
    setCurrentDetails(describeProgress(this.input, this.progress()));
    this.journal.changed();
  }

  throwIfCancelled(): void {
    if (this.cancelled && this.direction === 'running') throw new CancelledByRequest();
  }

  interruptibly<T>(run: () => Promise<T>): Promise<T> {
    return this.interrupts.run(run);
  }

  /** @param host whose fencing would make the step moot: then it is tried again by itself */
  async waitForOperator(
    record: OpenStep,
    direction: StuckReason['direction'],
    error: ErrorSummary,
    host: HostId | undefined,
    cancellable: boolean,
  ): Promise<void> {
    const { serial } = this.resolution;
    const reason: StuckReason = { step: record.name, direction, error, choices: ['retry', 'abort'] };
    this.stuck.push(reason);
    if (cancellable) this.waitingForWord++;
    record.state = 'stuck';
    record.error = error;
    log.warn('operation is stuck', { step: record.name, direction, code: error.code, detail: error.detail });
    this.tagged();
    await condition(
      () =>
        this.resolution.serial > serial ||
        (host !== undefined && this.fences.knows(host)) ||
        (cancellable && this.cancelled),
    );
    if (cancellable) this.waitingForWord--;
    if (this.resolution.serial > serial && this.resolution.action === 'abort') {
      record.state = 'abandoned';
      throw new Aborted(error);
    }
    this.stuck.splice(this.stuck.indexOf(reason), 1);
    if (cancellable && this.cancelled) {
      record.state = 'failed';
      throw new CancelledByRequest();
    }
    record.state = direction === 'undo' ? 'undoing' : 'running';
    this.tagged();
  }

  private resolve(action: Resolution): void {
    this.resolution = { action, serial: this.resolution.serial + 1 };
  }

  private async finish(state: OperationState): Promise<OperationOutcome> {
    if (!this.kept) this.end(state);
    const { operationId } = this.input;
    const outcome = this.error ? { operationId, state, error: this.error } : { operationId, state };
    await this.releaseEntity(outcome);
    if (this.kept) this.endAsKept(this.kept);
    await this.journal.close(now());
    return outcome;
  }

  /** Told only together with its end (see `progress`): until then it would seem to wait for somebody. */
  private endAsKept(reason: StuckReason): void {
    this.stuck.push(reason);
    this.ended = 'stuck';
    tagState(this.ended);
  }

  private end(state: OperationState): void {
    if (this.ended) return;
    this.ended = state;
    this.tagged();
  }

  /**
   * Its subject is free before anybody can read that the operation has ended: whoever asks for the next one
   * on that news must not be refused. An entity that is gone needs no telling.
   */
  private async releaseEntity(outcome: OperationOutcome): Promise<void> {
    const entity = getExternalWorkflowHandle(entityWorkflowId(this.input));
    try {
      await entity.signal(FINISHED_SIGNAL, outcome);
    } catch (error) {
      log.warn('the entity could not be told', { error });
    }
  }

  private get state(): OperationState {
    return this.ended ?? (this.stuck.length > 0 ? 'stuck' : this.direction);
  }

  private get cancellable(): boolean {
    const waits = this.state === 'stuck' && this.direction === 'running' && this.waitingForWord > 0;
    return (this.state === 'running' || waits) && !this.whole.committed;
  }

  private tagged(): void {
    tagState(this.state);
    this.changed();
  }

  private weighed(steps: readonly OpenStep[]): number {
    return steps.reduce((sum, step) => sum + (this.weights.get(step) ?? 1), 0);
  }

  private progress(final = false): OperationProgress {
    const done = this.weighed(this.steps.filter((s) => s.state === 'done' || s.state === 'undone'));
    // A report that was due before may be sent after the last step: it must not tell of an end that is not told yet.
    const early = this.kept !== undefined && !final;
    const [stuck] = early ? [] : this.stuck;
    return {
      state: early ? this.direction : this.state,
      steps: this.steps.map((s) => ({ ...s })),
      done,
      total: Math.max(this.expected, this.weighed(this.steps)),
      cancellable: this.cancellable && !this.cancelled,
      ...(this.notes.length > 0 ? { notes: [...this.notes] } : {}),
      ...(stuck ? { stuck } : {}),
      ...(this.error ? { error: this.error } : {}),
    };
  }
}
