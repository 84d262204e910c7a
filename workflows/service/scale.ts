import { patched } from '@temporalio/workflow';
import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { site } from '../lib/activities';
import { deployVees, planAndReserve } from '../lib/deploy';
import { runOperation } from '../lib/operation';
import { retireVees, STEPS_PER_RETIREMENT } from '../lib/retire';

/** Brings one elastic array to the count that was asked for: out is undone if it fails, in only goes forward. */
export function scaleService(input: ServiceOperationInput): Promise<OperationOutcome> {
  const { operationId, serviceId } = input;
  const { component = '', instances = 0 } = input.params;
  return runOperation(input, async (operation) => {
    const change = await operation.step({
      name: 'compare',
      run: () => site.planScaling({ serviceId, component, instances }),
    });
    if (change.create.length > 0) {
      const deployment = await planAndReserve(operation, (attempt) =>
        site.planAdditions({ operationId, serviceId, component, indices: change.create, attempt }),
      );
      await deployVees(operation, deployment);
    }
    if (change.retire.length > 0) {
      operation.pointOfNoReturn();
      operation.expect(change.retire.length * STEPS_PER_RETIREMENT + 1);
      await retireVees(operation, [change.retire]);
    }
    const before = instances - change.create.length;
    const undoesCount = change.create.length > 0 && patched('service.scale-undoes-count');
    await operation.step({
      name: 'commit',
      ...(undoesCount ? { undo: () => site.setInstances({ serviceId, component, instances: before }) } : {}),
      run: () => site.setInstances({ serviceId, component, instances }),
    });
  });
}
