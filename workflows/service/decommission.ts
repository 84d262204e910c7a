import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { site } from '../lib/activities';
import { runOperation } from '../lib/operation';
import { retireVees, STEPS_PER_RETIREMENT } from '../lib/retire';

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
    const groups = await operation.step({ name: 'list', run: () => site.listInStopOrder({ serviceId }) });
    operation.expect(groups.flat().length * STEPS_PER_RETIREMENT + 1);
    await retireVees(operation, groups);
    await operation.step({
      name: 'decommissioned',
      run: () => site.enterPhase({ serviceId, phase: 'decommissioned', operationId }),
    });
  });
}
