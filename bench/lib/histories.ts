import type { Client } from '@temporalio/client';
import { type OperationId, operationWorkflowId } from '../../domain/ids';

export type History = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>;
type Event = NonNullable<History['events']>[number];

export interface OperationHistories {
  readonly own: History;
  /** Of the batches that it handed out, and of those who took them back. */
  readonly batches: readonly History[];
}

/** The history of an operation, and those of all its children and theirs. */
export async function historiesOf(temporal: Client, operationId: string): Promise<OperationHistories> {
  const fetch = (id: string) => temporal.workflow.getHandle(id).fetchHistory();
  const below = async (history: History): Promise<History[]> => {
    const ids = eventsOf(history).flatMap(
      (e) => e.startChildWorkflowExecutionInitiatedEventAttributes?.workflowId ?? [],
    );
    const children = await Promise.all([...new Set(ids)].map(fetch));
    return [...children, ...(await Promise.all(children.map(below))).flat()];
  };
  const own = await fetch(operationWorkflowId(operationId as OperationId));
  return { own, batches: await below(own) };
}

export const eventsOf = (history: History): Event[] => history.events ?? [];

export const activitiesIn = (histories: readonly History[]): number =>
  histories.flatMap(eventsOf).filter((e) => e.activityTaskScheduledEventAttributes).length;

/** The bytes of the largest payload anywhere in a history. */
export function largestPayload(value: unknown): number {
  if (value instanceof Uint8Array) return value.byteLength;
  if (value === null || typeof value !== 'object') return 0;
  return Object.values(value).reduce((most: number, v) => Math.max(most, largestPayload(v)), 0);
}
