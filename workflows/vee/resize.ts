import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { onHost, onHostUndo, site } from '../lib/activities';
import { runOperation } from '../lib/operation';
import { isPatched } from '../lib/patches';
import { veeIdOf } from '../lib/vee-input';
import { lockVee } from '../lib/vee-transition';

/** Changes a running VEE's processor and memory: the reservation first, so that the host always has room. */
export function resizeVee(input: OperationInput): Promise<OperationOutcome> {
  const { operationId, timing } = input;
  const veeId = veeIdOf(input);
  return runOperation(input, async (operation) => {
    const { hostId, agentQueue, epoch, template } = await lockVee(operation, veeId, 'resize');
    const from = template.capacity;
    const to = { ...from, ...input.params.capacity };
    await operation.step({
      name: 'reserve',
      undo: () => site.adjustReservation({ veeId, hostId, capacity: from }),
      run: () => site.adjustReservation({ veeId, hostId, capacity: to }),
    });
    await operation.step({
      name: 'resize',
      host: hostId,
      undo: () =>
        onHostUndo(agentQueue, timing, 'resize').resizeVee({
          hostId,
          ref: { veeId, epoch },
          capacity: from,
          ifPossible: true,
        }),
      run: () =>
        onHost(agentQueue, timing, 'resize').resizeVee({ hostId, ref: { veeId, epoch }, capacity: to }),
    });
    const undoesCommit = isPatched('resizeUndoesCommit');
    await operation.step({
      name: 'commit',
      ...(undoesCommit ? { undo: () => site.revertResize({ operationId, veeId, capacity: from }) } : {}),
      run: () => site.commitResize({ operationId, veeId, capacity: to }),
    });
  });
}
