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
  OperationOutcome,
  OperationProgress,
  OperationState,
  StepRecord,
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
import { Journal } from './journal';
import { tagState } from './search-attributes';

export interface Step<T> {
  /** Stable: logs and histories outlive code. */
  readonly name: string;
  readonly run: () => Promise<T>;
  /** Registered *before* `run`, so that a run whose answer was lost is undone as well. Must be idempotent. */
  readonly undo?: () => Promise<void>;
  /** Nothing is lost by leaving it half-way: a cancel need not wait for it. */
  readonly interruptible?: boolean;
  /** Whose answer `run` and `undo` wait for. Once that host is fenced there is nothing to wait for any more. */
  readonly host?: HostId;
  /** Fencing the host does as well what this would have done on it: the step then counts as done. */
  readonly mootWhenFenced?: boolean;
}

interface Undo {
  readonly name: string;
  readonly undo: () => Promise<void>;
  readonly host: HostId | undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/**
 * Runs one operation: steps forward, undo in reverse when a step fails or the operator cancels, and after
 * the point of no return only forward. What can go neither way waits, `stuck`, for the operator's word.
 *
 * The body is shielded from Temporal's own cancellation, which would abandon activities in mid-flight: a
 * cancel only keeps further steps from starting, and what is under way is awaited before it is undone.
 */
export async function runOperation(
  input: OperationInput,
  body: (operation: Operation) => Promise<void>,
): Promise<OperationOutcome> {
  const operation = new Operation(input);
  const { cancelRequested } = CancellationScope.current();
  cancelRequested.catch(() => operation.requestCancel());
  const outcome = await CancellationScope.nonCancellable(() => operation.conduct(body));
  await CancellationScope.nonCancellable(() => condition(allHandlersFinished));
  return outcome;
}

export class Operation {
  readonly input: OperationInput;
  private readonly steps: Mutable<StepRecord>[] = [];
  private readonly undos: Undo[] = [];
  private readonly fences = new Fences();
  private readonly journal: Journal;
  private readonly interrupts = new Set<CancellationScope>();
  private state: OperationState = 'running';
  private error: ErrorSummary | undefined;
  private stuck: StuckReason | undefined;
  private resolution: { action: Resolution; serial: number } = { action: 'retry', serial: 0 };
  private expected = 0;
  private committed = false;
  private cancelled = false;

  constructor(input: OperationInput) {
    this.input = input;
    this.journal = new Journal(input.operationId, now(), () => this.progress());
    setHandler(defineQuery<OperationProgress>(PROGRESS_QUERY), () => this.progress());
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
        if (!this.stuck) throw ApplicationFailure.nonRetryable(`It is ${this.state}.`, 'not-stuck');
      },
    });
  }

  /** How many more steps are known of now; makes the progress a fraction that people can trust. */
  expect(steps: number): void {
    this.expected = this.steps.length + steps;
    this.changed();
  }

  /** From here on only forward: undos are dropped, and a step that fails waits for the operator. */
  pointOfNoReturn(): void {
    this.throwIfCancelled();
    this.committed = true;
    this.undos.length = 0;
    this.changed();
  }

  async step<T>({ name, run, undo, interruptible, host, mootWhenFenced }: Step<T>): Promise<T> {
    if (!this.committed) this.throwIfCancelled();
    if (undo && !this.committed) this.undos.push({ name, undo, host });
    const record: Mutable<StepRecord> = { name, state: 'running', startedAt: now() };
    this.steps.push(record);
    this.changed();
    const guarded = () => this.fences.guard(host, run);
    for (;;) {
      try {
        const result = interruptible ? await this.interruptibly(guarded) : await guarded();
        this.settle(record, 'done');
        return result;
      } catch (error) {
        const summary = summarise(error);
        if (mootWhenFenced && (await this.fences.excuse(host, summary))) {
          this.settle(record, 'done');
          return undefined as T;
        }
        if (!this.committed) {
          this.settle(record, 'failed', summary);
          throw error;
        }
        await this.waitForOperator(record, 'forward', summary, mootWhenFenced ? host : undefined);
      }
    }
  }

  requestCancel(): void {
    if (!this.cancellable) return;
    this.cancelled = true;
    for (const scope of this.interrupts) scope.cancel();
    this.changed();
  }

  async conduct(body: (operation: Operation) => Promise<void>): Promise<OperationOutcome> {
    this.setState('running');
    try {
      await body(this);
      return await this.finish('completed');
    } catch (error) {
      const summary = summarise(error);
      // Without our own words for it the log is the only place that has the cause.
      if (summary.code === 'internal') log.error('operation failed unexpectedly', { error });
      this.error = summary;
      if (error instanceof Aborted) return await this.finish('stuck');
      return await this.goBack();
    }
  }

  private async goBack(): Promise<OperationOutcome> {
    this.setState('undoing');
    for (const { name, undo, host } of this.undos.reverse()) {
      const record = this.steps.findLast((s) => s.name === name);
      if (!record) continue;
      record.state = 'undoing';
      this.changed();
      for (;;) {
        try {
          await this.fences.guard(host, undo);
          this.settle(record, 'undone', record.error);
          break;
        } catch (error) {
          const summary = summarise(error);
          if (await this.fences.excuse(host, summary)) {
            this.settle(record, 'undone', record.error);
            break;
          }
          try {
            await this.waitForOperator(record, 'undo', summary, host);
          } catch {
            // The undos that would follow rely on this one: to run on the source while the target's copy may
            // still be there would be the worst of all ends. They are left, and the record says so.
            return this.finish('stuck');
          }
        }
      }
    }
    return this.finish('undone');
  }

  /**
   * @param host whose fencing would make the step moot: then it is tried again by itself
   * @throws Aborted when the operator gives the step up
   */
  private async waitForOperator(
    record: Mutable<StepRecord>,
    direction: StuckReason['direction'],
    error: ErrorSummary,
    host: HostId | undefined,
  ) {
    const { serial } = this.resolution;
    const before = this.state;
    this.stuck = { step: record.name, direction, error, choices: ['retry', 'abort'] };
    record.state = 'stuck';
    record.error = error;
    log.warn('operation is stuck', { step: record.name, direction, code: error.code, detail: error.detail });
    this.setState('stuck');
    await condition(() => this.resolution.serial > serial || (host !== undefined && this.fences.knows(host)));
    if (this.resolution.serial > serial && this.resolution.action === 'abort') {
      record.state = 'abandoned';
      throw new Aborted(error);
    }
    this.stuck = undefined;
    record.state = direction === 'undo' ? 'undoing' : 'running';
    this.setState(before === 'stuck' ? 'running' : before);
  }

  private resolve(action: Resolution): void {
    this.resolution = { action, serial: this.resolution.serial + 1 };
  }

  private async interruptibly<T>(run: () => Promise<T>): Promise<T> {
    const scope = new CancellationScope();
    this.interrupts.add(scope);
    try {
      return await scope.run(run);
    } finally {
      this.interrupts.delete(scope);
    }
  }

  private async finish(state: OperationState): Promise<OperationOutcome> {
    this.setState(state);
    const { operationId } = this.input;
    const outcome = this.error ? { operationId, state, error: this.error } : { operationId, state };
    await this.releaseEntity(outcome);
    await this.journal.close(now());
    return outcome;
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

  private get cancellable(): boolean {
    return this.state === 'running' && !this.committed;
  }

  private throwIfCancelled(): void {
    if (this.cancelled) throw new CancelledByRequest();
  }

  private settle(record: Mutable<StepRecord>, state: StepRecord['state'], error?: ErrorSummary): void {
    record.state = state;
    record.endedAt = now();
    if (error) record.error = error;
    else delete record.error;
    this.changed();
  }

  private setState(state: OperationState): void {
    this.state = state;
    tagState(state);
    this.changed();
  }

  private changed(): void {
    setCurrentDetails(describeProgress(this.input, this.progress()));
    this.journal.changed();
  }

  private progress(): OperationProgress {
    const done = this.steps.filter((s) => s.state === 'done' || s.state === 'undone').length;
    return {
      state: this.state,
      steps: this.steps.map((s) => ({ ...s })),
      done,
      total: Math.max(this.expected, this.steps.length),
      cancellable: this.cancellable && !this.cancelled,
      ...(this.stuck ? { stuck: this.stuck } : {}),
      ...(this.error ? { error: this.error } : {}),
    };
  }
}
