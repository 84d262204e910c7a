import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { site } from '../lib/activities';
import { runOperation } from '../lib/operation';
import { restarted } from '../lib/restarted';
import { veeIdOf } from '../lib/vee-input';
import { lockVee } from '../lib/vee-transition';

/** Stops a VEE and starts it again where it is. */
export function restartVee(input: OperationInput): Promise<OperationOutcome> {
  const { operationId } = input;
  const veeId = veeIdOf(input);
  return runOperation(input, async (operation) => {
    await restarted(operation, await lockVee(operation, veeId, 'restart'));
    await operation.step({
      name: 'commit',
      run: () => site.commitState({ operationId, veeId, verb: 'restart' }),
    });
  });
}
