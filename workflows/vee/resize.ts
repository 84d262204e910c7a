import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { larger, sameCapacity } from '../../domain/units';
import { awaitReady, onHost, onHostUndo, site } from '../lib/activities';
import { type Operation, runOperation } from '../lib/operation';
import { isPatched } from '../lib/patches';
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

/** Stops a VEE for what is done to it then, and starts it again; undone as well. */
async function restarted(
  operation: Operation,
  { veeId, epoch, hostId, agentQueue, template }: Awaited<ReturnType<typeof lockVee>>,
  work: () => Promise<void>,
): Promise<void> {
  const { timing } = operation.input;
  const call = { hostId, ref: { veeId, epoch } };
  const { stopGraceMillis: graceMillis } = template;
  await operation.step({
    name: 'stop',
    host: hostId,
    undo: () => onHostUndo(agentQueue, timing, 'stop').startVee(call),
    run: () => onHost(agentQueue, timing, 'stop', graceMillis).stopVee({ ...call, graceMillis }),
  });
  await work();
  await operation.step({
    name: 'start',
    host: hostId,
    undo: () => onHostUndo(agentQueue, timing, 'start', graceMillis).stopVee({ ...call, graceMillis }),
    run: () => onHost(agentQueue, timing, 'start').startVee(call),
  });
  await operation.step({
    name: 'ready',
    host: hostId,
    interruptible: true,
    run: () => awaitReady({ hostId, agentQueue }, call.ref, timing, 'ready', template.readiness),
  });
}
