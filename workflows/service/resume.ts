import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { site } from '../lib/activities';
import { changeAll } from '../lib/change-all';
import { runOperation } from '../lib/operation';
import { isPatched } from '../lib/patches';

/** Brings a suspended service back in start order. */
export function resumeService(input: ServiceOperationInput): Promise<OperationOutcome> {
  const { operationId, serviceId } = input;
  return runOperation(input, async (operation) => {
    await changeAll(operation, 'resume');
    const undoesPhase = isPatched('resumeUndoesPhase');
    await operation.step({
      name: 'operating',
      ...(undoesPhase
        ? { undo: () => site.returnToPhase({ serviceId, phase: 'suspended', operationId }) }
        : {}),
      run: () => site.enterPhase({ serviceId, phase: 'operating', operationId }),
    });
  });
}
