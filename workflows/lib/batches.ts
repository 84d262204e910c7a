import {
  ChildWorkflowCancellationType,
  type ChildWorkflowHandle,
  log,
  startChild,
  type Workflow,
} from '@temporalio/workflow';
import { batchWorkflowId, type HostId } from '../../domain/ids';
import type { ServiceOperationInput } from '../../domain/operation/operation';
import type { BatchPlan, BatchRef } from '../../domain/service/batches';
import { FENCED_SIGNAL } from '../../domain/service/messages';
import { batchAttributes } from './attributes';
import type { BatchInput, TakeBackInput } from './batch';
import { Aborted } from './failure';
import type { Fences } from './fences';
import { Interrupts } from './interrupts';
import type { Operation } from './operation';
import { inParallel } from './parallel';

/** Enough to keep the engines busy while one batch ends and the next begins (measured). */
export const MOST_BATCHES_AT_ONCE = 2;

export interface BatchWork {
  /** The workflow type of one batch. */
  readonly type: string;
  /** The one that takes a batch back, where there is a way back. */
  readonly takenBackBy?: string;
  /** What it does to its VEEs, as told in the operation's record. */
  readonly verb: string;
  readonly stepsPerVee: number;
  /** A batch that fails is put to the operator at once, rather than undo everything. */
  readonly patient?: boolean;
}

/**
 * Works through a plan wave by wave, a child workflow for each batch. If one fails the others of its wave are told to
 * stop, and all are awaited before the failure is thrown. Past the point of no return a batch that fails waits for the
 * operator as any step does, and is run again on `retry`.
 * @param afterWave is told what the batches of a wave returned, and says what later ones are not to start
 */
export async function runBatches<R>(
  operation: Operation,
  plan: BatchPlan,
  work: BatchWork,
  afterWave?: (results: readonly R[], isLast: boolean) => Promise<readonly string[]>,
): Promise<void> {
  const input = operation.input as ServiceOperationInput;
  const children = new Children(operation.fences, input);
  const { worklistId } = plan;
  const { takenBackBy } = work;
  const begun = new Set<number>();
  // All batches are taken back by one child: a hundred more events than their doing took would be too many.
  if (takenBackBy)
    operation.onUndo('batches', () => {
      const waves = plan.waves.map((w) => w.filter((b) => begun.has(b.number))).filter((w) => w.length > 0);
      const args: TakeBackInput = {
        operation: input,
        worklistId,
        type: takenBackBy,
        waves: waves.reverse(),
      };
      return waves.length === 0 ? Promise.resolve() : children.run('takeBackBatches', 0, args, work.verb);
    });
  let barred: readonly string[] = [];
  for (const wave of plan.waves) {
    const results: R[] = [];
    const one = async (batch: BatchRef) => {
      begun.add(batch.number);
      const args: BatchInput = { operation: input, worklistId, batch, barred };
      results.push(
        await operation.step({
          name: `${work.verb} ${batch.label}`,
          weight: batch.vees * work.stepsPerVee,
          interruptible: true,
          ...(work.patient ? { patient: true } : {}),
          run: () => children.run<R>(work.type, batch.number, args, batch.label),
        }),
      );
    };
    await inParallel(wave, one, MOST_BATCHES_AT_ONCE, (error) => {
      // Whatever fails before the point of no return is taken back: there is no use in going on.
      if (!(error instanceof Aborted)) children.cancel();
    });
    barred = (await afterWave?.(results, wave === plan.waves.at(-1))) ?? [];
  }
}

/** The child workflows of one operation that are under way. */
export class Children {
  private readonly operation: ServiceOperationInput;
  private readonly fences: Fences;
  private readonly interrupts = new Interrupts();
  private readonly handles = new Set<ChildWorkflowHandle<Workflow>>();

  constructor(fences: Fences, operation: ServiceOperationInput) {
    this.operation = operation;
    this.fences = fences;
    fences.onRaise((hostId) => {
      for (const handle of this.handles) tell(handle, hostId);
    });
  }

  /** Starts one and awaits its end, also when it is cancelled: what it has begun must have ended by then. */
  async run<R = void>(
    type: string,
    number: number,
    args: BatchInput | TakeBackInput,
    label: string,
  ): Promise<R> {
    return this.interrupts.run(async () => {
      const handle = await startChild(type, {
        workflowId: batchWorkflowId(this.operation.operationId, type, number),
        args: [args],
        workflowTaskTimeout: '3s',
        cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        typedSearchAttributes: batchAttributes(this.operation),
        staticSummary: `${type} ${label}`,
      });
      this.handles.add(handle);
      for (const hostId of this.fences.known) tell(handle, hostId);
      return (await handle.result().finally(() => this.handles.delete(handle))) as R;
    });
  }

  cancel(): void {
    this.interrupts.cancel();
  }
}

function tell(handle: ChildWorkflowHandle<Workflow>, hostId: HostId): void {
  handle
    .signal(FENCED_SIGNAL, hostId)
    .catch((error) => log.warn('a batch could not be told of a fenced host', { hostId, error }));
}
