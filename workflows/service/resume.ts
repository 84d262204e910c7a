import { patched } from '@temporalio/workflow';
import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { veeLabel } from '../../domain/service/deployment';
import { site } from '../lib/activities';
import { runOperation } from '../lib/operation';
import { inParallel } from '../lib/parallel';
import { changeState } from '../lib/vee-transition';

/** Brings a suspended service back in start order. */
export function resumeService(input: ServiceOperationInput): Promise<OperationOutcome> {
  const { operationId, serviceId } = input;
  return runOperation(input, async (operation) => {
    const groups = await operation.step({ name: 'list', run: () => site.listInStopOrder({ serviceId }) });
    for (const group of [...groups].reverse())
      await inParallel(
        group.filter((v) => v.state === 'SUSPENDED' || v.state === 'PAUSED'),
        (vee) =>
          changeState(operation, vee.veeId, vee.state === 'SUSPENDED' ? 'restore' : 'resume', veeLabel(vee)),
      );
    const undoesPhase = patched('service.resume-undoes-phase');
    await operation.step({
      name: 'operating',
      ...(undoesPhase
        ? { undo: () => site.returnToPhase({ serviceId, phase: 'suspended', operationId }) }
        : {}),
      run: () => site.enterPhase({ serviceId, phase: 'operating', operationId }),
    });
  });
}
