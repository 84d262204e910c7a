import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { site } from '../../workflows/lib/activities';
import { deployVees, planAndReserve } from '../../workflows/lib/deploy';
import { runOperation } from '../../workflows/lib/operation';

/** `provisionService` with two of its steps in the other order: what a careless change would do to running workflows. */
export function provisionService(input: ServiceOperationInput): Promise<OperationOutcome> {
  const { operationId, serviceId } = input;
  return runOperation(input, async (operation) => {
    const deployment = await planAndReserve(operation, (attempt) => site.planService({ operationId, serviceId, attempt }));
    await operation.step({ name: 'admit', run: () => site.admitService({ operationId, serviceId }) });
    await deployVees(operation, deployment);
  });
}
