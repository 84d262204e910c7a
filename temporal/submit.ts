import { randomUUID } from 'node:crypto';
import {
  type Client,
  WithStartWorkflowOperation,
  WorkflowExecutionAlreadyStartedError,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { ActivityFailure, ApplicationFailure, TimeoutFailure } from '@temporalio/common';
import { isErrorCode, SluiceError } from '../domain/errors';
import {
  type OperationId,
  operationWorkflowId,
  type SiteId,
  serviceWorkflowId,
  siteTaskQueue,
} from '../domain/ids';
import type { OperationInput, OperationRecord, OperationTiming } from '../domain/operation/operation';
import {
  type Accepted,
  CANCEL_UPDATE,
  RESOLVE_UPDATE,
  type Resolution,
  type ServiceEntityInput,
} from '../domain/service/messages';
import { entityAttributes } from '../workflows/lib/attributes';
import type { ReadLogsInput } from '../workflows/vee/read-logs';
import { isTemporalAway, REQUEST_DEADLINE_MILLIS } from './connection';

/** How the API and the site's watch talk to workflows. Each call is safe to repeat. */
export class Operations {
  private readonly client: Client;
  private readonly timing: OperationTiming;

  constructor(client: Client, timing: OperationTiming) {
    this.client = client;
    this.timing = timing;
  }

  /**
   * Hands a recorded request to its service's entity. The Update carries the operation's id, so a second
   * submission is the first one.
   * @throws SluiceError `operation-in-progress`, `transition-illegal`, `unavailable`
   */
  async submit(record: OperationRecord, serviceName: string): Promise<void> {
    const { id: operationId, kind, siteId, tenantId, serviceId, veeId, params, requestId } = record;
    const input: OperationInput = {
      operationId,
      kind,
      siteId,
      tenantId,
      serviceId,
      params,
      requestId,
      timing: this.timing,
      ...(veeId ? { veeId } : {}),
    };
    await this.guarded(async () => {
      if (kind === 'service.provision') await this.submitWithStart(input, serviceName);
      else
        await this.client.workflow
          .getHandle(serviceWorkflowId(serviceId))
          .executeUpdate<Accepted, [OperationInput]>(kind, { updateId: operationId, args: [input] });
    });
  }

  async cancel(id: OperationId): Promise<void> {
    await this.guarded(() =>
      this.client.workflow.getHandle(operationWorkflowId(id)).executeUpdate<void, []>(CANCEL_UPDATE),
    );
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

  private async submitWithStart(input: OperationInput, name: string): Promise<void> {
    const { siteId, tenantId, serviceId, operationId } = input;
    const entity: ServiceEntityInput = { siteId, tenantId, serviceId, name };
    const start = new WithStartWorkflowOperation('service', {
      workflowId: serviceWorkflowId(serviceId),
      taskQueue: siteTaskQueue(siteId),
      args: [entity],
      workflowIdConflictPolicy: 'USE_EXISTING',
      // A service that ended stays ended, whoever repeats its first request.
      workflowIdReusePolicy: 'REJECT_DUPLICATE',
      workflowTaskTimeout: '3s',
      typedSearchAttributes: entityAttributes(entity),
      staticSummary: `service ${name} of ${tenantId}`,
    });
    try {
      await this.client.workflow.executeUpdateWithStart<
        (entity: ServiceEntityInput) => Promise<void>,
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
  if (isTemporalAway(error))
    return new SluiceError('unavailable', 'Temporal is not reachable.', { cause: error });
  return error;
}
