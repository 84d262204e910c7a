import type { HostId } from '../../../domain/ids';
import type { OperationInput, OperationOutcome } from '../../../domain/operation/operation';
import { site } from '../../../workflows/lib/activities';
import { runOperation } from '../../../workflows/lib/operation';
import { veeIdOf } from '../../../workflows/lib/vee-input';
import { changeState } from '../../../workflows/lib/vee-transition';

/** One verb on one VEE with another step before those that it has, where that is wanted. */
export function withAnotherStep(
  input: OperationInput,
  verb: 'pause' | 'resume',
  wanted: () => boolean,
): Promise<OperationOutcome> {
  return runOperation(input, async (operation) => {
    if (wanted())
      await operation.step({
        name: 'another step',
        run: () => site.isFenced({ hostId: 'host-1' as HostId }),
      });
    await changeState(operation, veeIdOf(input), verb);
  });
}
