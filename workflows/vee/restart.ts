import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { awaitReady, onHost, onHostUndo, site } from '../lib/activities';
import { runOperation } from '../lib/operation';
import { veeIdOf } from '../lib/vee-input';
import { lockVee } from '../lib/vee-transition';

/** Stops a VEE and starts it again where it is; it keeps its disk, its address and its reservation. */
export function restartVee(input: OperationInput): Promise<OperationOutcome> {
  const { operationId, timing } = input;
  const veeId = veeIdOf(input);
  return runOperation(input, async (operation) => {
    const { hostId, agentQueue, epoch, template } = await lockVee(operation, veeId, 'restart');
    const call = { hostId, ref: { veeId, epoch } };
    await operation.step({
      name: 'stop',
      host: hostId,
      undo: () => onHostUndo(agentQueue, timing, 'stop').startVee(call),
      run: () =>
        onHost(agentQueue, timing, 'stop', template.stopGraceMillis).stopVee({
          ...call,
          graceMillis: template.stopGraceMillis,
        }),
    });
    await operation.step({
      name: 'start',
      host: hostId,
      run: () => onHost(agentQueue, timing, 'start').startVee(call),
    });
    await operation.step({
      name: 'ready',
      host: hostId,
      interruptible: true,
      run: () => awaitReady({ hostId, agentQueue }, call.ref, timing, 'ready', template.readiness),
    });
    await operation.step({
      name: 'commit',
      run: () => site.commitState({ operationId, veeId, verb: 'restart' }),
    });
  });
}
