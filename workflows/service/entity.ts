import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  ApplicationFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  ParentClosePolicy,
  setCurrentDetails,
  setHandler,
  startChild,
  WorkflowIdReusePolicy,
  workflowInfo,
} from '@temporalio/workflow';
import { operationWorkflowId } from '../../domain/ids';
import {
  isServiceWide,
  OPERATION_KINDS,
  type OperationInput,
  type OperationKind,
  type OperationOutcome,
} from '../../domain/operation/operation';
import {
  type Accepted,
  type EntityStatus,
  FINISHED_SIGNAL,
  type ServiceEntityInput,
  STATUS_QUERY,
} from '../../domain/service/messages';
import { operationAttributes } from '../lib/attributes';
import { WORKFLOW_OF } from '../lib/workflow-of';

/** A run takes 2,000 Updates at most before the server refuses more: leave well before. */
const MOST_OPERATIONS_A_RUN = 500;

/**
 * One for each service, from its first request to its end: the lock that decides which operations may run
 * side by side. Operations are its children, abandoned to run on should the entity be replaced; it
 * continues as new only while none is under way, so it never loses track of one.
 */
export async function service(input: ServiceEntityInput): Promise<void> {
  const running = new Map<string, OperationInput>();
  let accepted = 0;
  let ended = false;

  for (const kind of OPERATION_KINDS)
    setHandler(defineUpdate<Accepted, [OperationInput]>(kind), start, { validator: mayStart });

  function mayStart(op: OperationInput): void {
    if (running.has(op.operationId)) return;
    if (ended)
      throw ApplicationFailure.nonRetryable(`${input.name} is decommissioned.`, 'transition-illegal');
    const holder = [...running.values()].find((other) => excludes(op, other));
    if (holder)
      throw ApplicationFailure.nonRetryable(
        `${holder.kind} ${holder.operationId} is under way.`,
        'operation-in-progress',
      );
  }

  async function start(op: OperationInput): Promise<Accepted> {
    const answer = { operationId: op.operationId };
    if (running.has(op.operationId)) return answer;
    running.set(op.operationId, op);
    accepted++;
    describe();
    try {
      const child = await startChild(WORKFLOW_OF[op.kind], {
        workflowId: operationWorkflowId(op.operationId),
        args: [op],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        workflowIdReusePolicy: WorkflowIdReusePolicy.REJECT_DUPLICATE,
        workflowTaskTimeout: '3s',
        typedSearchAttributes: operationAttributes(op),
        memo: { requestId: op.requestId },
        staticSummary: `${op.kind} ${op.veeId ?? input.name}`,
      });
      follow(op, child.result());
    } catch (error) {
      running.delete(op.operationId);
      // It was submitted before, and a continue-as-new has forgotten it since: nothing to do again.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
    return answer;
  }

  /** Normally the operation tells that it has finished; one that was terminated by hand can't. */
  function follow(op: OperationInput, result: Promise<OperationOutcome>): void {
    const close = (outcome?: OperationOutcome) => {
      running.delete(op.operationId);
      if (outcome && endsService(op.kind, outcome)) ended = true;
      describe();
    };
    result.then(close, () => close());
  }

  setHandler(defineSignal<[OperationOutcome]>(FINISHED_SIGNAL), (outcome) => {
    const op = running.get(outcome.operationId);
    if (!op) return;
    running.delete(outcome.operationId);
    if (endsService(op.kind, outcome)) ended = true;
    describe();
  });

  function describe(): void {
    const held = [...running.values()].map((o) => `- ${o.kind} \`${o.operationId}\``);
    setCurrentDetails(
      [
        `Service **${input.name}** of tenant \`${input.tenantId}\``,
        ...(held.length > 0 ? held : ['No operation under way.']),
      ].join('\n'),
    );
  }

  setHandler(defineQuery<EntityStatus>(STATUS_QUERY), () => ({
    name: input.name,
    ended,
    running: [...running.values()].map(({ operationId, kind }) => ({ operationId, kind })),
  }));

  describe();
  const full = () => accepted >= MOST_OPERATIONS_A_RUN || workflowInfo().continueAsNewSuggested;
  await condition(() => running.size === 0 && allHandlersFinished() && (ended || (accepted > 0 && full())));
  if (!ended) await continueAsNew<typeof service>(input);
}

/**
 * Two operations may run together only on different VEEs, and none beside one of the whole service. A
 * migration chooses a place by where the others are, so it counts as one of the whole service.
 */
function excludes(a: OperationInput, b: OperationInput): boolean {
  const placing = (op: OperationInput) => isServiceWide(op.kind) || op.kind === 'vee.migrate';
  return placing(a) || placing(b) || a.veeId === b.veeId;
}

function endsService(kind: OperationKind, outcome: OperationOutcome): boolean {
  if (kind === 'service.decommission') return outcome.state === 'completed';
  return kind === 'service.provision' && outcome.state === 'undone';
}
