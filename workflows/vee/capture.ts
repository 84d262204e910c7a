import { ApplicationFailure } from '@temporalio/workflow';
import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { onHost, onHostUndo, site } from '../lib/activities';
import { runOperation } from '../lib/operation';
import { veeIdOf } from '../lib/vee-input';
import { lockVee } from '../lib/vee-transition';

/** A machine's memory and disk may be large: so much longer than others these steps may take. */
const COPY_MILLIS = 1_800_000;

/**
 * Makes a warm image of a VEE. Nothing else is done with it until its host has what the image is made of, and the
 * registry has the image: from there on it is there, and only what was kept for it is cleared away.
 */
export function captureVee(input: OperationInput): Promise<OperationOutcome> {
  const { operationId, timing, params } = input;
  const veeId = veeIdOf(input);
  const name = params.imageName;
  if (name === undefined)
    throw ApplicationFailure.nonRetryable('A capture needs a name for its image.', 'request-invalid');
  return runOperation(input, async (operation) => {
    const { hostId, agentQueue, epoch } = await lockVee(operation, veeId, 'capture');
    const ref = { veeId, epoch };
    const captured = await operation.step({
      name: 'capture',
      host: hostId,
      undo: () => onHostUndo(agentQueue, timing, 'capture').discardCapture({ operationId }),
      run: () => onHost(agentQueue, timing, 'capture', COPY_MILLIS).captureVee({ hostId, ref, operationId }),
    });
    const imageId = await operation.step({
      name: 'register',
      undo: () => site.dropCapture({ operationId }),
      run: () => site.registerCapture({ operationId, veeId, name, captured }),
    });
    await operation.step({
      name: 'upload',
      host: hostId,
      run: () => onHost(agentQueue, timing, 'upload', COPY_MILLIS).uploadCapture({ operationId, imageId }),
    });
    operation.pointOfNoReturn();
    await operation.step({
      name: 'commit',
      run: () => site.commitState({ operationId, veeId, verb: 'capture' }),
    });
    await operation.step({
      name: 'clear away',
      host: hostId,
      run: () => onHost(agentQueue, timing, 'clear away').discardCapture({ operationId }),
    });
  });
}
