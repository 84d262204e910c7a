import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { site } from '../lib/activities';
import { listWork } from '../lib/list-work';
import { runOperation } from '../lib/operation';
import { retireInBatches, retireVees } from '../lib/retire';

/**
 * Ends every VEE of a service in reverse start order, closes its ledger and frees its capacity. There is
 * no way back from a destroyed VEE, so it is past its point of no return from the start: a step that can't
 * be made waits for the operator.
 */
export function decommissionService(input: ServiceOperationInput): Promise<OperationOutcome> {
  const { operationId, serviceId } = input;
  return runOperation(input, async (operation) => {
    operation.pointOfNoReturn();
    await operation.step({
      name: 'decommissioning',
      run: () => site.enterPhase({ serviceId, phase: 'decommissioning', operationId }),
    });
    const work = await listWork(operation, 'retire');
    if (work.kind === 'many') await retireInBatches(operation, work.plan);
    else await retireVees(operation, work.groups);
    await operation.step({
      name: 'decommissioned',
      run: () => site.enterPhase({ serviceId, phase: 'decommissioned', operationId }),
    });
  });
}
