import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  log,
  ParentClosePolicy,
  setCurrentDetails,
  setHandler,
  startChild,
  WorkflowIdReusePolicy,
  workflowInfo,
} from '@temporalio/workflow';
import { type OperationId, operationWorkflowId } from '../../domain/ids';
import { supersedes, verdict } from '../../domain/operation/conflicts';
import type { OperationInput, OperationKind, OperationOutcome } from '../../domain/operation/operation';
import {
  type Accepted,
  type CarriedOver,
  type EntityInput,
  type EntityStatus,
  FINISHED_SIGNAL,
  MOST_OPERATIONS_A_RUN,
  STATUS_QUERY,
  WITHDRAW_UPDATE,
} from '../../domain/service/messages';
import { site, siteWait } from './activities';
import { operationAttributes } from './attributes';
import { WORKFLOW_OF } from './workflow-of';

/** The server slows down sharply beyond ten Updates in flight (measured): refuse, rather than stall everybody. */
const MOST_UPDATES_AT_ONCE = 8;
/** How many dropped requests are remembered: a client repeats a lost one within minutes. */
const MOST_DROPPED = 200;

export interface EntityRules {
  readonly kinds: readonly OperationKind[];
  /** Does this end mean that nothing can be asked of the entity any more? */
  readonly ends?: (op: OperationInput, outcome: OperationOutcome) => boolean;
}

/**
 * One for each service, each host and each site: the lock that decides which operations may run side by side, by the
 * table in `domain/operation/conflicts.ts`. Operations are its children, abandoned to run on should the entity be
 * replaced. When it continues as new it takes along what runs, what waits, and what it has dropped.
 */
export async function runEntity(input: EntityInput, rules: EntityRules): Promise<void> {
  const entity = new Entity(input, rules);
  await entity.untilDone();
  if (!entity.ended) await continueAsNew({ ...input, carried: entity.carry() });
}

class Entity {
  ended = false;
  private readonly input: EntityInput;
  private readonly rules: EntityRules;
  private readonly running = new Map<OperationId, OperationInput>();
  private queued: OperationInput[] = [];
  private dropped: OperationId[] = [];
  private accepted = 0;
  private updating = 0;
  private pumping = 0;

  constructor(input: EntityInput, rules: EntityRules) {
    this.input = input;
    this.rules = rules;
    this.takeOver(input.carried);
    for (const kind of rules.kinds)
      setHandler(defineUpdate<Accepted, [OperationInput]>(kind), (op) => this.updated(() => this.admit(op)), {
        validator: (op: OperationInput) => this.mayAdmit(op),
      });
    setHandler(defineUpdate<void, [OperationId]>(WITHDRAW_UPDATE), (id) => this.withdraw(id), {
      validator: (id: OperationId) => {
        if (!this.queued.some((q) => q.operationId === id))
          throw ApplicationFailure.nonRetryable('It does not wait here.', 'not-cancellable');
      },
    });
    setHandler(defineSignal<[OperationOutcome]>(FINISHED_SIGNAL), (outcome) => this.finished(outcome));
    setHandler(defineQuery<EntityStatus>(STATUS_QUERY), () => this.status());
    this.describe();
  }

  async untilDone(): Promise<void> {
    await condition(
      () =>
        allHandlersFinished() &&
        this.pumping === 0 &&
        (this.ended ? this.running.size === 0 && this.queued.length === 0 : this.full()),
    );
  }

  carry(): CarriedOver {
    return { running: [...this.running.values()], queued: this.queued, dropped: this.dropped };
  }

  private takeOver(carried: CarriedOver | undefined): void {
    if (!carried) return;
    for (const op of carried.running) {
      this.running.set(op.operationId, op);
      // No longer a child of this run: its record tells how it ended, should its own word not come.
      this.follow(
        op,
        siteWait()
          .awaitOperation({ operationId: op.operationId })
          .then(({ operationId, state, error }) => ({
            operationId,
            state,
            ...(error ? { error } : {}),
          })),
      );
    }
    this.queued = [...carried.queued];
    this.dropped = [...carried.dropped];
  }

  private full(): boolean {
    return (
      this.accepted > 0 &&
      (this.accepted >= (this.input.operationsARun ?? MOST_OPERATIONS_A_RUN) ||
        workflowInfo().continueAsNewSuggested === true)
    );
  }

  private mayAdmit(op: OperationInput): void {
    if (this.knows(op.operationId)) return;
    // A steady stream of requests must not keep it from continuing as new; who is refused so asks again at once.
    if (this.updating >= MOST_UPDATES_AT_ONCE || (this.full() && !this.ended))
      throw ApplicationFailure.nonRetryable('Too many requests at once.', 'unavailable');
    if (this.ended)
      throw ApplicationFailure.nonRetryable(`${this.input.name} is decommissioned.`, 'transition-illegal');
    const holder = [...this.running.values(), ...this.queued].find((held) => verdict(op, held) === 'refuse');
    if (holder)
      throw ApplicationFailure.nonRetryable(
        `${holder.kind} ${holder.operationId} is ${this.running.has(holder.operationId) ? 'under way' : 'waiting'}.`,
        'operation-in-progress',
      );
  }

  private async updated(work: () => Promise<Accepted>): Promise<Accepted> {
    this.updating++;
    try {
      return await work();
    } finally {
      this.updating--;
    }
  }

  private async admit(op: OperationInput): Promise<Accepted> {
    const { operationId } = op;
    if (this.knows(operationId)) return { operationId };
    this.accepted++;
    const behind = [...this.running.values(), ...this.queued].filter(
      (held) => verdict(op, held) === 'queue' && !this.willDrop(op, held),
    );
    if (behind.length === 0) {
      await this.start(op);
      return { operationId };
    }
    const superseded = this.queued.filter((held) => this.willDrop(op, held));
    this.queued = [...this.queued.filter((held) => !superseded.includes(held)), op];
    this.describe();
    await site.noteQueued({ operationId, behind: behind.map((b) => b.operationId) });
    for (const old of superseded)
      await this.drop(
        old,
        'superseded',
        `A later request, ${operationId}, asks for another count: it counts.`,
      );
    // What it waits for may have ended while that was written.
    await this.startWaiting();
    return { operationId };
  }

  private willDrop(op: OperationInput, held: OperationInput): boolean {
    return this.queued.includes(held) && supersedes(op, held);
  }

  private async withdraw(operationId: OperationId): Promise<void> {
    const op = this.queued.find((q) => q.operationId === operationId);
    if (!op) return;
    this.queued = this.queued.filter((q) => q !== op);
    await this.drop(op, 'cancelled', 'It was cancelled before it began.');
    await this.startWaiting();
  }

  private async drop(op: OperationInput, code: 'superseded' | 'cancelled', detail: string): Promise<void> {
    this.dropped = [...this.dropped, op.operationId].slice(-MOST_DROPPED);
    this.describe();
    await site.dropQueued({ operationId: op.operationId, error: { code, detail } });
  }

  private async start(op: OperationInput): Promise<void> {
    this.running.set(op.operationId, op);
    this.describe();
    try {
      const child = await startChild(WORKFLOW_OF[op.kind], {
        workflowId: operationWorkflowId(op.operationId),
        args: [op],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
        workflowTaskTimeout: '3s',
        typedSearchAttributes: operationAttributes(op),
        memo: { requestId: op.requestId },
        staticSummary: `${op.kind} ${op.veeId ?? this.input.name}`,
      });
      this.follow(op, child.result());
    } catch (error) {
      this.running.delete(op.operationId);
      // It was submitted before, and a continue-as-new has forgotten it since: nothing to do again.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }

  /** Normally the operation tells that it has finished; one that was terminated by hand can't. */
  private follow(op: OperationInput, result: Promise<OperationOutcome>): void {
    result.then(
      (outcome) => this.finished(outcome),
      () => this.over(op),
    );
  }

  private finished(outcome: OperationOutcome): void {
    const op = this.running.get(outcome.operationId);
    if (!op) return;
    if (this.rules.ends?.(op, outcome)) this.ended = true;
    this.over(op);
  }

  private over(op: OperationInput): void {
    if (!this.running.delete(op.operationId)) return;
    this.describe();
    if (this.queued.length === 0) return;
    this.pumping++;
    this.startWaiting()
      .catch((error) => log.error('what waited could not be started', { error }))
      .finally(() => {
        this.pumping--;
      });
  }

  /** In order of arrival; whatever need not wait any more begins. Nothing is left behind an entity that has ended. */
  private async startWaiting(): Promise<void> {
    for (const op of [...this.queued]) {
      if (!this.queued.includes(op)) continue;
      if (this.ended) {
        this.queued = this.queued.filter((q) => q !== op);
        await this.drop(op, 'cancelled', `${this.input.name} ended before it could begin.`);
        continue;
      }
      const earlier = this.queued.slice(0, this.queued.indexOf(op));
      if ([...this.running.values(), ...earlier].some((held) => verdict(op, held) !== 'together')) continue;
      this.queued = this.queued.filter((q) => q !== op);
      try {
        await this.start(op);
      } catch (error) {
        // It is not lost for that: it waits on, and is tried with the next that may begin.
        this.queued = [op, ...this.queued];
        throw error;
      }
    }
  }

  private knows(id: OperationId): boolean {
    return this.running.has(id) || this.queued.some((q) => q.operationId === id) || this.dropped.includes(id);
  }

  private status(): EntityStatus {
    const told = ({ operationId, kind }: OperationInput) => ({ operationId, kind });
    return {
      name: this.input.name,
      ended: this.ended,
      running: [...this.running.values()].map(told),
      queued: this.queued.map(told),
    };
  }

  private describe(): void {
    const { name, tenantId, serviceId, hostId } = this.input;
    const what = serviceId
      ? `Service **${name}** of tenant \`${tenantId}\``
      : hostId
        ? `Host **${name}**`
        : `Site **${name}**`;
    const held = [
      ...[...this.running.values()].map((o) => `- ${o.kind} \`${o.operationId}\``),
      ...this.queued.map((o) => `- ${o.kind} \`${o.operationId}\` waits`),
    ];
    setCurrentDetails([what, ...(held.length > 0 ? held : ['No operation under way.'])].join('\n'));
  }
}
