import type { ErrorSummary } from '../../domain/errors';
import type { HostId } from '../../domain/ids';
import type { OperationInput, StepRecord, StuckReason } from '../../domain/operation/operation';
import { now } from './clock';
import { Aborted, summarise } from './failure';
import type { Fences } from './fences';

export interface Step<T> {
  /** Stable: logs and histories outlive code. */
  readonly name: string;
  readonly run: () => Promise<T>;
  /** Registered *before* `run`, so that a run whose answer was lost is undone as well. Must be idempotent. */
  readonly undo?: () => Promise<unknown>;
  /** Nothing is lost by leaving it half-way: a cancel need not wait for it. */
  readonly interruptible?: boolean;
  /** Its activity is waited for when it is cancelled (`AWAITED`), unless its host is fenced. */
  readonly awaited?: boolean;
  /** Whose answer `run` and `undo` wait for. Once that host is fenced there is nothing to wait for any more. */
  readonly host?: HostId;
  /** A failure is put to the operator rather than undo everything; a cancel is still possible then. */
  readonly patient?: boolean;
  /** How many steps it counts for in the progress: one that stands for a batch counts for all of that batch. */
  readonly weight?: number;
  /** Fencing the host does as well what this would have done on it: the step then counts as done. */
  readonly mootWhenFenced?: boolean;
}

/** What makes steps: an operation, or a part of one. */
export interface Steps {
  readonly input: OperationInput;
  step<T>(step: Step<T>): Promise<T>;
  /** From here on only forward: undos are dropped, and a step that fails waits for the operator. */
  pointOfNoReturn(): void;
  /** Registers what takes back a part as a whole, before that part begins. */
  onUndo(name: string, undo: () => Promise<unknown>): void;
}

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };
export type OpenStep = Mutable<StepRecord>;

/** What a saga needs of the operation that it belongs to. */
export interface Bookkeeper {
  readonly input: OperationInput;
  readonly fences: Fences;
  open(record: OpenStep, weight?: number): void;
  changed(): void;
  /** @throws CancelledByRequest */
  throwIfCancelled(): void;
  interruptibly<T>(run: () => Promise<T>): Promise<T>;
  /**
   * @param cancellable may a cancel end the wait?
   * @throws Aborted when the operator gives the step up
   * @throws CancelledByRequest
   */
  waitForOperator(
    record: OpenStep,
    direction: StuckReason['direction'],
    error: ErrorSummary,
    host: HostId | undefined,
    cancellable: boolean,
  ): Promise<void>;
}

interface Undo {
  readonly record: OpenStep;
  readonly undo: () => Promise<unknown>;
  readonly host: HostId | undefined;
  /** It belongs to no step, and is listed only once it is under way. */
  readonly unseen?: boolean;
}

/**
 * Steps forward, undos in reverse, and a point after which there is no way back. No workflow writes this by hand. An
 * operation is one saga, and may have others within: parts that go back, or past their own point, by themselves.
 */
export class Saga implements Steps {
  readonly input: OperationInput;
  private readonly keeper: Bookkeeper;
  private readonly undos: Undo[] = [];
  private past = false;

  constructor(keeper: Bookkeeper) {
    this.input = keeper.input;
    this.keeper = keeper;
  }

  get committed(): boolean {
    return this.past;
  }

  pointOfNoReturn(): void {
    this.keeper.throwIfCancelled();
    this.past = true;
    this.undos.length = 0;
    this.keeper.changed();
  }

  /** The same, for what has happened already: a cancel that came meanwhile comes too late for it. */
  cannotReturn(): void {
    this.past = true;
    this.undos.length = 0;
    this.keeper.changed();
  }

  onUndo(name: string, undo: () => Promise<unknown>, host?: HostId): void {
    const record: OpenStep = { name, state: 'undoing', startedAt: now() };
    this.undos.push({ record, undo, host, unseen: true });
  }

  async step<T>(step: Step<T>): Promise<T> {
    const { name, run, undo, interruptible, awaited, patient, host, weight, mootWhenFenced } = step;
    const { keeper } = this;
    if (!this.past) keeper.throwIfCancelled();
    const record: OpenStep = { name, state: 'running', startedAt: now() };
    if (undo && !this.past) this.undos.push({ record, undo, host });
    keeper.open(record, weight);
    const guarded = () => keeper.fences.guard(host, run, awaited);
    for (;;) {
      try {
        const result = interruptible ? await keeper.interruptibly(guarded) : await guarded();
        this.settle(record, 'done');
        return result;
      } catch (error) {
        const summary = summarise(error);
        if (mootWhenFenced && (await keeper.fences.excuse(host, summary))) {
          this.settle(record, 'done');
          return undefined as T;
        }
        if (!this.past && !(patient && summary.code !== 'cancelled')) {
          this.settle(record, 'failed', summary);
          throw error;
        }
        await keeper.waitForOperator(
          record,
          'forward',
          summary,
          mootWhenFenced ? host : undefined,
          !this.past,
        );
      }
    }
  }

  /**
   * Undoes what was done, the latest first.
   * @throws Aborted when the operator gives an undo up. The undos that would follow rely on it (to run on the
   * source while the target's copy may still be there would be the worst of all ends), so they are left.
   * @param over called in the same turn as the last undo is told, so that one report tells of both
   */
  async goBack(over?: () => void): Promise<void> {
    for (let entry = this.undos.pop(); entry; entry = this.undos.pop()) {
      const { record, undo, host, unseen } = entry;
      record.state = 'undoing';
      if (unseen) this.keeper.open(Object.assign(record, { startedAt: now() }));
      else this.keeper.changed();
      for (;;) {
        try {
          await this.keeper.fences.guard(host, undo);
          break;
        } catch (error) {
          // Given up within a part that is taken back here as a whole: it need not be given up twice.
          if (error instanceof Aborted) throw error;
          const summary = summarise(error);
          if (await this.keeper.fences.excuse(host, summary)) break;
          await this.keeper.waitForOperator(record, 'undo', summary, host, false);
        }
      }
      this.settle(record, 'undone', record.error);
    }
    over?.();
  }

  private settle(record: OpenStep, state: StepRecord['state'], error?: ErrorSummary): void {
    record.state = state;
    record.endedAt = now();
    if (error) record.error = error;
    else delete record.error;
    this.keeper.changed();
  }
}
