import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { site } from '../lib/activities';
import { deployVees, planAndReserve } from '../lib/deploy';
import { runOperation } from '../lib/operation';

/**
 * A service from `requested` to `operating`: plan, reserve, then each VEE defined, started, ready and
 * metered, in start order. If any step fails all of it is undone and the service ends `decommissioned`.
 */
export function provisionService(input: ServiceOperationInput): Promise<OperationOutcome> {
  const { operationId, serviceId } = input;
  return runOperation(input, async (operation) => {
    await operation.step({
      name: 'admit',
      undo: () => site.withdrawService({ serviceId, operationId }),
      run: () => site.admitService({ operationId, serviceId }),
    });
    const deployment = await planAndReserve(operation, (attempt) =>
      site.planService({ operationId, serviceId, attempt }),
    );
    await operation.step({
      name: 'deploying',
      run: () => site.enterPhase({ serviceId, phase: 'deploying', operationId }),
    });
    await deployVees(operation, deployment);
    await operation.step({ name: 'operate', run: () => site.operateService({ serviceId, operationId }) });
  });
}
