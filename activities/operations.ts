import { Context } from '@temporalio/activity';
import { derivedEntropy } from '../domain/derived-entropy';
import { type ErrorSummary, SluiceError } from '../domain/errors';
import { isFenced } from '../domain/host';
import { type HostId, makeOperationId, type OperationId, type ServiceId, type VeeId } from '../domain/ids';
import {
  hasEnded,
  type OperationKind,
  type OperationNote,
  type OperationParams,
  type OperationRecord,
  type OperationState,
  pendingOperation,
} from '../domain/operation/operation';
import type { SiteDeps } from './deps';
import { serviceOf } from './planning';

/** Many may wait at once: who has waited for long looks less often. */
const nextLook = (began: number) => Math.min(1_000, 200 + (Date.now() - began) / 20);

/** What one operation asks for as part of itself. `key` tells it from its siblings, so a repeat asks for the same one. */
export interface ChildRequest {
  readonly parentId: OperationId;
  readonly key: string;
  readonly kind: OperationKind;
  readonly serviceId?: ServiceId;
  readonly veeId?: VeeId;
  readonly hostId?: HostId;
  readonly params: OperationParams;
}

export interface OperationEnd {
  readonly operationId: OperationId;
  readonly state: OperationState;
  readonly error?: ErrorSummary;
  readonly notes?: readonly OperationNote[];
}

export const childId = (parentId: OperationId, key: string): OperationId =>
  makeOperationId(derivedEntropy(parentId, 'child', key));

/** It may have come too far, or have ended, meanwhile. */
export async function cancelWherePossible(
  { cancel }: Pick<SiteDeps, 'cancel'>,
  operation: OperationRecord,
): Promise<void> {
  try {
    await cancel(operation);
  } catch (error) {
    if (!(error instanceof SluiceError) || error.retryable) throw error;
  }
}

/** Activities about operations themselves: those that wait, those that others ask for, and how they ended. */
export function createOperationActivities(deps: SiteDeps) {
  const { store } = deps;

  async function operationOf(id: OperationId): Promise<OperationRecord> {
    const operation = await store.operations.get(id);
    if (!operation) throw new SluiceError('not-found', `There is no operation ${id}.`);
    return operation;
  }

  async function ended(id: OperationId): Promise<OperationEnd> {
    const context = Context.current();
    for (const began = Date.now(); ; await context.sleep(nextLook(began))) {
      const { state, error, notes, endedAt } = await operationOf(id);
      if (endedAt !== undefined)
        return { operationId: id, state, ...(error ? { error } : {}), ...(notes ? { notes } : {}) };
    }
  }

  async function settled(operationId: OperationId): Promise<OperationEnd> {
    const context = Context.current();
    for (const began = Date.now(); ; await context.sleep(nextLook(began))) {
      const operation = await operationOf(operationId);
      const { state, stuck, behind = [] } = operation;
      if (hasEnded(operation)) return ended(operationId);
      if (state === 'stuck') return { operationId, state, ...(stuck ? { error: stuck.error } : {}) };
      if (state !== 'queued') continue;
      const others = await Promise.all(behind.map(operationOf));
      if (others.some((o) => o.state === 'stuck')) await cancelWherePossible(deps, operation);
    }
  }

  return {
    noteQueued: ({ operationId, behind }: { operationId: OperationId; behind: readonly OperationId[] }) =>
      store.operations.queue(operationId, behind),

    dropQueued: ({ operationId, error }: { operationId: OperationId; error: ErrorSummary }) =>
      store.operations.refuse(operationId, error, deps.now()),

    /**
     * Asks for an operation as part of another. One that is refused is recorded as undone, with the reason: it
     * is the asking operation's to decide what follows.
     */
    async requestOperation(call: ChildRequest): Promise<{ operationId: OperationId }> {
      const { parentId, key, kind, serviceId, veeId, hostId, params } = call;
      const parent = await operationOf(parentId);
      const service = serviceId && (await serviceOf(store, serviceId));
      const record = await store.operations.create(
        pendingOperation({
          id: childId(parentId, key),
          kind,
          siteId: deps.siteId,
          parentId,
          ...(service ? { serviceId: service.id, tenantId: service.tenantId } : {}),
          ...(veeId ? { veeId } : {}),
          ...(hostId ? { hostId } : {}),
          params,
          requestedBy: parent.requestedBy,
          requestId: parent.requestId,
          createdAt: deps.now(),
        }),
      );
      if (record.state === 'pending')
        try {
          await deps.submit(record);
        } catch (error) {
          if (!(error instanceof SluiceError) || error.retryable) throw error;
          await store.operations.refuse(record.id, { code: error.code, detail: error.message }, deps.now());
        }
      return { operationId: record.id };
    },

    /**
     * Waits for its end; one that is stuck has not ended.
     * @param orStuck don't wait for people: one that is stuck is left to them, and one that waits for another
     * which is stuck is withdrawn
     */
    async awaitOperation({
      operationId,
      orStuck = false,
    }: {
      operationId: OperationId;
      orStuck?: boolean;
    }): Promise<OperationEnd> {
      return orStuck ? settled(operationId) : ended(operationId);
    },

    /**
     * Cancels it where it still can be, and waits for its end either way.
     * @param orStuck one that is stuck is left to people
     */
    async cancelChild({
      parentId,
      key,
      orStuck = false,
    }: {
      parentId: OperationId;
      key: string;
      orStuck?: boolean;
    }): Promise<OperationEnd> {
      const operationId = childId(parentId, key);
      const operation = await store.operations.get(operationId);
      // It was never asked for.
      if (!operation) return { operationId, state: 'undone' };
      if (!hasEnded(operation)) await cancelWherePossible(deps, operation);
      return orStuck ? settled(operationId) : ended(operationId);
    },

    async isFenced({ hostId }: { hostId: HostId }): Promise<boolean> {
      const host = await store.hosts.get(hostId);
      return host !== undefined && isFenced(host);
    },
  };
}
