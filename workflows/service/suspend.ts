import { patched } from '@temporalio/workflow';
import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { veeLabel } from '../../domain/service/deployment';
import { site } from '../lib/activities';
import { runOperation } from '../lib/operation';
import { inParallel } from '../lib/parallel';
import { changeState } from '../lib/vee-transition';

/** Stills every VEE, dependants first: to disk where its host can, else by pausing it. */
export function suspendService(input: ServiceOperationInput): Promise<OperationOutcome> {
  const { operationId, serviceId } = input;
  return runOperation(input, async (operation) => {
    const groups = await operation.step({ name: 'list', run: () => site.listInStopOrder({ serviceId }) });
    for (const group of groups)
      await inParallel(
        group.filter((v) => v.state === 'ACTIVE'),
        (vee) => changeState(operation, vee.veeId, vee.canSuspend ? 'suspend' : 'pause', veeLabel(vee)),
      );
    const undoesPhase = patched('service.suspend-undoes-phase');
    await operation.step({
      name: 'suspended',
      ...(undoesPhase
        ? { undo: () => site.returnToPhase({ serviceId, phase: 'operating', operationId }) }
        : {}),
      run: () => site.enterPhase({ serviceId, phase: 'suspended', operationId }),
    });
  });
}
