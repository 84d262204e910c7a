import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { site } from '../lib/activities';
import { changeAll } from '../lib/change-all';
import { runOperation } from '../lib/operation';
import { isPatched } from '../lib/patches';

/** Stills every VEE, dependants first: to disk where its host can, else by pausing it. */
export function suspendService(input: ServiceOperationInput): Promise<OperationOutcome> {
  const { operationId, serviceId } = input;
  return runOperation(input, async (operation) => {
    await changeAll(operation, 'suspend');
    const undoesPhase = isPatched('suspendUndoesPhase');
    await operation.step({
      name: 'suspended',
      ...(undoesPhase
        ? { undo: () => site.returnToPhase({ serviceId, phase: 'operating', operationId }) }
        : {}),
      run: () => site.enterPhase({ serviceId, phase: 'suspended', operationId }),
    });
  });
}
