import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { larger, sameCapacity } from '../../domain/units';
import { onHost, onHostUndo, site } from '../lib/activities';
import { runOperation } from '../lib/operation';
import { isPatched } from '../lib/patches';
import { restarted } from '../lib/restarted';
import { veeIdOf } from '../lib/vee-input';
import { lockVee } from '../lib/vee-transition';

/**
 * Changes a running VEE's processor and memory. What it gets is reserved first and what it gives is given back last, so
 * that its host has room for it at any moment, and for the way back. Where the driver can't change what runs, the VEE
 * is stopped for it, if that was allowed.
 */
export function resizeVee(input: OperationInput): Promise<OperationOutcome> {
  const { operationId, timing } = input;
  const veeId = veeIdOf(input);
  return runOperation(input, async (operation) => {
    const vee = await lockVee(operation, veeId, 'resize');
    const { hostId, agentQueue, epoch, template } = vee;
    const from = template.capacity;
    const to = { ...from, ...input.params.capacity };
    const meanwhile = isPatched('shrinkLast') ? larger(from, to) : to;
    await operation.step({
      name: 'reserve',
      undo: () => site.adjustReservation({ veeId, hostId, capacity: from }),
      run: () => site.adjustReservation({ veeId, hostId, capacity: meanwhile }),
    });
    if (input.params.byRestart) await restarted(operation, vee, () => resize(true));
    else await resize(false);
    const undoesCommit = isPatched('resizeUndoesCommit');
    await operation.step({
      name: 'commit',
      ...(undoesCommit ? { undo: () => site.revertResize({ operationId, veeId, capacity: from }) } : {}),
      run: () => site.commitResize({ operationId, veeId, capacity: to }),
    });
    if (sameCapacity(meanwhile, to)) return;
    operation.pointOfNoReturn();
    await operation.step({
      name: 'give back',
      run: () => site.adjustReservation({ veeId, hostId, capacity: to }),
    });

    function resize(stopped: boolean): Promise<void> {
      const call = { hostId, ref: { veeId, epoch }, ...(stopped ? { stopped } : {}) };
      return operation.step({
        name: 'resize',
        host: hostId,
        undo: () =>
          onHostUndo(agentQueue, timing, 'resize').resizeVee({ ...call, capacity: from, ifPossible: true }),
        run: () => onHost(agentQueue, timing, 'resize').resizeVee({ ...call, capacity: to }),
      });
    }
  });
}
