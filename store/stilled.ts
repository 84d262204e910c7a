import type { VeeId } from '../domain/ids';
import type { OperationKind } from '../domain/operation/operation';
import type { Store } from './store';

const OF_SERVICE: readonly OperationKind[] = ['service.suspend', 'service.resume'];

/** Of these VEEs, those that somebody stilled or woke by themselves: what is done to all of their service spares them. */
export async function singlyChanged(store: Store, ids: readonly VeeId[]): Promise<Set<VeeId>> {
  const changers = await store.vees.stateChangers(ids);
  const singly = new Set<string>();
  for (const id of new Set(changers.values())) {
    const operation = await store.operations.get(id);
    if (operation && !OF_SERVICE.includes(operation.kind)) singly.add(id);
  }
  return new Set([...changers].flatMap(([veeId, operationId]) => (singly.has(operationId) ? [veeId] : [])));
}
