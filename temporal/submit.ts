import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Client,
  isGrpcServiceError,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/common';
import { isErrorCode, SluiceError } from '../domain/errors';
import {
  entityWorkflowId,
  type HostId,
  type OperationId,
  operationWorkflowId,
  type SiteId,
  siteTaskQueue,
  watchWorkflowId,
} from '../domain/ids';
import type { OperationInput, OperationRecord, OperationTiming } from '../domain/operation/operation';
import {
  type Accepted,
  CANCEL_UPDATE,
  type EntityInput,
  FENCED_SIGNAL,
  RESOLVE_UPDATE,
  type Resolution,
  WITHDRAW_UPDATE,
} from '../domain/service/messages';
import { entityAttributes } from '../workflows/lib/attributes';
import type { ReadLogsInput } from '../workflows/vee/read-logs';
import { CallersPerEntity } from './callers-per-entity';
import { isTemporalAway, REQUEST_DEADLINE_MILLIS } from './connection';

const MOST_ATTEMPTS = 20;
/** FAILED_PRECONDITION, ABORTED: what a server says of an update that met the end of a run. */
const OVERTAKEN = new Set([9, 10]);

interface OperationSettings {
  readonly timing: OperationTiming;
  readonly entityOperations: number;
}

/** How the API and the site's watch talk to workflows. Each call is safe to repeat. */
export class Operations {
  private readonly client: Client;
  private readonly timing: OperationTiming;
  private readonly entityOperations: number;
  private readonly callers = new CallersPerEntity();

  constructor(client: Client, { timing, entityOperations }: OperationSettings) {
    this.client = client;
    this.timing = timing;
    this.entityOperations = entityOperations;
  }

  /**
   * Hands a recorded request to the entity of its service, host or site. The Update carries the operation's id, so a second
   * submission is the first one.
   * @throws SluiceError `operation-in-progress`, `transition-illegal`, `unavailable`
   */
  async submit(record: OperationRecord, name: string): Promise<void> {
    const { id: operationId, kind, siteId, tenantId, serviceId, veeId, hostId, parentId } = record;
    const input: OperationInput = {
      operationId,
      kind,
      siteId,
      params: record.params,
      requestId: record.requestId,
      timing: this.timing,
      ...(tenantId ? { tenantId } : {}),
      ...(serviceId ? { serviceId } : {}),
      ...(veeId ? { veeId } : {}),
      ...(hostId ? { hostId } : {}),
      ...(parentId ? { parentId } : {}),
    };
    const entity = entityWorkflowId(input);
    await this.callers.one(entity, () =>
      this.untilTaken(async () => {
        // A service begins with its provisioning; hosts and the site have their entity whenever it is first needed.
        if (kind === 'service.provision' || !serviceId) await this.submitWithStart(input, name);
        else
          await this.client.workflow
            .getHandle(entity)
            .executeUpdate<Accepted, [OperationInput]>(kind, { updateId: operationId, args: [input] });
      }),
    );
  }

  /** Cancels an operation that runs, or withdraws one that still waits. */
  async cancel(record: OperationRecord): Promise<void> {
    if (record.state === 'queued')
      try {
        return await this.guarded(() =>
          this.client.workflow
            .getHandle(entityWorkflowId(record))
            .executeUpdate<void, [OperationId]>(WITHDRAW_UPDATE, { args: [record.id] }),
        );
      } catch (error) {
        // It has begun meanwhile.
        if (!(error instanceof SluiceError) || error.code !== 'not-cancellable') throw error;
      }
    await this.guarded(() =>
      this.client.workflow.getHandle(operationWorkflowId(record.id)).executeUpdate<void, []>(CANCEL_UPDATE),
    );
  }

  /** Tells an operation that a host it may be waiting for is fenced. One that is over need not know. */
  async tellFenced(id: OperationId, hostId: HostId): Promise<void> {
    await this.guarded(async () => {
      try {
        await this.client.workflow.getHandle(operationWorkflowId(id)).signal(FENCED_SIGNAL, hostId);
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    });
  }

  async resolve(id: OperationId, resolution: Resolution): Promise<void> {
    await this.guarded(() =>
      this.client.workflow
        .getHandle(operationWorkflowId(id))
        .executeUpdate<void, [Resolution]>(RESOLVE_UPDATE, { args: [resolution] }),
    );
  }

  /** @throws SluiceError `host-unreachable` when the agent does not answer in time */
  async readLogs(siteId: SiteId, input: ReadLogsInput): Promise<string[]> {
    let lines: string[] = [];
    await this.guarded(async () => {
      const handle = await this.client.workflow.start('readVeeLogs', {
        workflowId: `vee/${input.veeId}/logs/${randomUUID()}`,
        taskQueue: siteTaskQueue(siteId),
        args: [input],
        workflowTaskTimeout: '3s',
      });
      lines = (await handle.result()) as string[];
    });
    return lines;
  }

  /** Ids of the operations whose workflow is open. */
  async open(siteId: string): Promise<Set<string>> {
    const ids = new Set<string>();
    await this.guarded(async () => {
      const query = `SluiceSite = '${siteId}' AND ExecutionStatus = 'Running'`;
      for await (const { workflowId } of this.client.workflow.list({ query }))
        if (workflowId.startsWith('operation/')) ids.add(workflowId.slice('operation/'.length));
    });
    return ids;
  }

  /** Does the site's watch run? */
  isWatched(siteId: SiteId): Promise<boolean> {
    return this.isRunning(watchWorkflowId(siteId));
  }

  /** Of one operation, as its workflow itself tells: lists lag behind, by many seconds where a server is busy. */
  isOpen(id: OperationId): Promise<boolean> {
    return this.isRunning(operationWorkflowId(id));
  }

  private async isRunning(workflowId: string): Promise<boolean> {
    let running = false;
    await this.guarded(async () => {
      try {
        const { status } = await this.client.workflow.getHandle(workflowId).describe();
        running = status.name === 'RUNNING';
      } catch (error) {
        if (!(error instanceof WorkflowNotFoundError)) throw error;
      }
    });
    return running;
  }

  /** An entity that is between two runs, or has enough to do, says so: ask again shortly. */
  private async untilTaken(call: () => Promise<unknown>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.guarded(call);
      } catch (error) {
        const busy =
          error instanceof SluiceError && error.code === 'unavailable' && !isTemporalAway(error.cause);
        if (!busy || attempt === MOST_ATTEMPTS) throw error;
        await delay(attempt * 50);
      }
    }
  }

  private async submitWithStart(input: OperationInput, name: string): Promise<void> {
    const { siteId, tenantId, serviceId, hostId, operationId } = input;
    const entity: EntityInput = {
      siteId,
      name,
      operationsARun: this.entityOperations,
      ...(tenantId ? { tenantId } : {}),
      ...(serviceId ? { serviceId } : {}),
      ...(hostId && !serviceId ? { hostId } : {}),
    };
    const type = serviceId ? 'service' : hostId ? 'hostEntity' : 'siteEntity';
    const start = new WithStartWorkflowOperation(type, {
      workflowId: entityWorkflowId(input),
      taskQueue: siteTaskQueue(siteId),
      args: [entity],
      workflowIdConflictPolicy: 'USE_EXISTING',
      // A service that ended stays ended, whoever repeats its first request.
      workflowIdReusePolicy: serviceId ? 'REJECT_DUPLICATE' : 'ALLOW_DUPLICATE',
      workflowTaskTimeout: '3s',
      typedSearchAttributes: entityAttributes(entity),
      staticSummary: serviceId ? `service ${name} of ${tenantId}` : hostId ? `host ${name}` : `site ${name}`,
    });
    try {
      await this.client.workflow.executeUpdateWithStart<
        (entity: EntityInput) => Promise<void>,
        Accepted,
        [OperationInput]
      >(input.kind, {
        updateId: operationId,
        args: [input],
        startWorkflowOperation: start,
      });
    } catch (error) {
      // The service has been there and is over: so is this request.
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
    }
  }

  /** Bounds the wait, and turns what workflows and Temporal say into our errors. */
  private async guarded(call: () => Promise<unknown>): Promise<void> {
    try {
      await this.client.withDeadline(Date.now() + REQUEST_DEADLINE_MILLIS, call);
    } catch (error) {
      throw translate(error);
    }
  }
}

/**
 * Was an entity about to begin a new run when the request came? A request is known by its operation's id, so it may be
 * made again: whether the old run has taken it, the new one knows.
 */
function wasOvertaken(error: unknown): boolean {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    if (isGrpcServiceError(e) && OVERTAKEN.has(e.code)) return true;
    if (e instanceof ApplicationFailure && e.type === 'AcceptedUpdateCompletedWorkflow') return true;
  }
  return false;
}

function translate(error: unknown): unknown {
  if (error instanceof WorkflowFailedError) {
    const cause = error.cause instanceof ActivityFailure ? error.cause.cause : error.cause;
    if (cause instanceof ApplicationFailure && isErrorCode(cause.type))
      return new SluiceError(cause.type, cause.message, { cause: error });
    if (cause instanceof TimeoutFailure)
      return new SluiceError('host-unreachable', 'The host’s agent does not answer.', { cause: error });
  }
  if (
    error instanceof WorkflowUpdateFailedError &&
    error.cause instanceof ApplicationFailure &&
    isErrorCode(error.cause.type)
  )
    return new SluiceError(error.cause.type, error.cause.message, { cause: error });
  if (error instanceof WorkflowNotFoundError)
    return new SluiceError('transition-illegal', 'It is over: nothing can be asked of it any more.', {
      cause: error,
    });
  if (wasOvertaken(error))
    return new SluiceError('unavailable', 'What it is about began anew just then.', { cause: error });
  if (isTemporalAway(error))
    return new SluiceError('unavailable', 'Temporal is not reachable.', { cause: error });
  return error;
}
