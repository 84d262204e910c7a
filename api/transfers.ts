import type { Client } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import { z } from 'zod';
import { operationWorkflowId } from '../domain/ids';
import { hasEnded, type OperationRecord } from '../domain/operation/operation';

/** Its agents may be of another release, and say more, or less. */
export const transferSchema = z.object({
  veeId: z.string(),
  phase: z.string(),
  sentBytes: z.number(),
  remainingBytes: z.number().describe('As it is now: what is written meanwhile comes on top'),
  bytesPerSecond: z.number(),
  dirtyBytesPerSecond: z.number().optional().describe('At which rate it writes its memory meanwhile'),
  remainingMillis: z.number().optional().describe('About; absent where it would not end like this'),
  escalation: z.string().optional().describe('What was done so that its deadline is met'),
});
export type Transfer = z.output<typeof transferSchema>;

const MOVING: readonly string[] = ['vee.migrate', 'service.migrate'];

/**
 * What is under way of an operation that moves VEEs, as their agents have told with their last heartbeats: kept by
 * Temporal beside the history, and nowhere else. Empty where nothing is known, or Temporal is away.
 */
export async function transfersOf(temporal: Client, operation: OperationRecord): Promise<Transfer[]> {
  const sends = operation.steps.some((s) => s.state === 'running' && s.name.startsWith('send'));
  if (!sends || hasEnded(operation) || !MOVING.includes(operation.kind)) return [];
  try {
    const { raw } = await temporal.workflow.getHandle(operationWorkflowId(operation.id)).describe();
    return (raw.pendingActivities ?? []).flatMap(({ activityType, heartbeatDetails }) => {
      const [payload] = heartbeatDetails?.payloads ?? [];
      if (activityType?.name !== 'sendVee' || !payload) return [];
      const told = transferSchema.safeParse(defaultPayloadConverter.fromPayload(payload));
      return told.success ? [told.data] : [];
    });
  } catch {
    return [];
  }
}
