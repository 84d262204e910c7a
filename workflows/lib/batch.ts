import { ApplicationFailure, CancellationScope, defineSignal, setHandler } from '@temporalio/workflow';
import type { ErrorSummary } from '../../domain/errors';
import type { HostId } from '../../domain/ids';
import type { ServiceOperationInput, StuckReason } from '../../domain/operation/operation';
import type { BatchContents, BatchRef, BatchVee } from '../../domain/service/batches';
import { FENCED_SIGNAL } from '../../domain/service/messages';
import { site } from './activities';
import { CancelledByRequest, summarise } from './failure';
import { Fences } from './fences';
import { Interrupts } from './interrupts';
import { inParallel } from './parallel';
import { type Bookkeeper, type OpenStep, Saga, type Step, type Steps } from './saga';

/** What the workflow of a batch starts with: whose it is, and where its contents are. */
export interface BatchInput {
  readonly operation: ServiceOperationInput;
  readonly worklistId: string;
  readonly batch: BatchRef;
  /** Components of which nothing is to be started, since what they depend on did not become ready. */
  readonly barred?: readonly string[];
}

/** What takes back all that an operation had begun in batches. */
export interface TakeBackInput {
  readonly operation: ServiceOperationInput;
  readonly worklistId: string;
  /** The workflow that takes one batch back. */
  readonly type: string;
  /** Of the batches that were begun: what was done last comes first. */
  readonly waves: readonly (readonly BatchRef[])[];
}

type BatchSteps = Pick<Steps, 'input' | 'step'>;

/**
 * Runs one batch of an operation, which waits for it as for one step of its own. A batch decides nothing: if one
 * of its steps fails it begins no other, awaits those under way, and fails with the reason. It undoes nothing by
 * itself and never waits for a person. Its operation does both: takes back whole batches, or runs this one again.
 */
export async function runBatch<R = void>(
  input: BatchInput,
  options: { readonly withTemplates?: boolean },
  body: (batch: RunningBatch, contents: BatchContents) => Promise<R>,
): Promise<R> {
  const batch = new RunningBatch(input.operation);
  CancellationScope.current().cancelRequested.catch(() => batch.cancel());
  const { worklistId } = input;
  return CancellationScope.nonCancellable(async () => {
    try {
      const { withTemplates = false } = options;
      const contents = await batch.step({
        name: 'read',
        run: () => site.readBatch({ worklistId, number: input.batch.number, withTemplates }),
      });
      // It was told of hosts that are fenced while it runs; of those before it is read.
      for (const { hostId, hostFenced } of contents.groups.flat()) if (hostFenced) batch.fences.raise(hostId);
      return await body(batch, contents);
    } catch (error) {
      throw asFailure(error);
    }
  });
}

export class RunningBatch implements BatchSteps, Bookkeeper {
  readonly input: ServiceOperationInput;
  readonly fences = new Fences({ sinceEver: true });
  private readonly interrupts = new Interrupts();
  private cancelled = false;

  constructor(input: ServiceOperationInput) {
    this.input = input;
    setHandler(defineSignal<[HostId]>(FENCED_SIGNAL), (hostId) => this.fences.raise(hostId));
  }

  async step<T>({ name, run, interruptible, awaited, host, mootWhenFenced }: Step<T>): Promise<T> {
    const guarded = () => this.fences.guard(host, run, awaited);
    try {
      this.throwIfCancelled();
      return await (interruptible ? this.interruptibly(guarded) : guarded());
    } catch (error) {
      if (mootWhenFenced && (await this.fences.excuse(host, summarise(error)))) return undefined as T;
      throw asFailure(error, name);
    }
  }

  /** Group after group, all of a group side by side. */
  async each<V extends BatchVee>(
    groups: readonly (readonly V[])[],
    task: (vee: V) => Promise<void>,
  ): Promise<void> {
    for (const group of groups) await inParallel(group, task);
  }

  /**
   * Takes back what the same steps would have done to one VEE, the latest first: the steps are gone through for their
   * undos alone.
   */
  async takeBack(steps: (collecting: BatchSteps) => Promise<void>): Promise<void> {
    const saga = new Saga(this);
    const step = async <T>({ name, undo, host }: Step<T>): Promise<T> => {
      if (undo) saga.onUndo(name, undo, host);
      // No undo may need what its step would have returned: what it needs is read from the database before.
      return undefined as T;
    };
    await steps({ input: this.input, step });
    await saga.goBack();
  }

  /** Is a failure now the end of the whole, rather than of one VEE? */
  get isCancelled(): boolean {
    return this.cancelled;
  }

  cancel(): void {
    this.cancelled = true;
    this.interrupts.cancel();
  }

  // What its steps need of it. Its operation keeps the record; the batch is one step of that.

  open(): void {}

  changed(): void {}

  throwIfCancelled(): void {
    if (this.cancelled) throw new CancelledByRequest();
  }

  interruptibly<T>(run: () => Promise<T>): Promise<T> {
    return this.interrupts.run(run);
  }

  async waitForOperator(
    { name }: OpenStep,
    _direction: StuckReason['direction'],
    error: ErrorSummary,
  ): Promise<void> {
    throw ApplicationFailure.nonRetryable(`${name}: ${error.detail}`, error.code);
  }
}

export function asFailure(error: unknown, step?: string): ApplicationFailure {
  if (error instanceof ApplicationFailure) return error;
  const { code, detail } = summarise(error);
  return ApplicationFailure.nonRetryable(step === undefined ? detail : `${step}: ${detail}`, code);
}
