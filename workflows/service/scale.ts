import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { site } from '../lib/activities';
import { deployVees, planAndReserve } from '../lib/deploy';
import { runOperation } from '../lib/operation';
import { isPatched } from '../lib/patches';
import { retireInBatches, retireVees } from '../lib/retire';

/** Brings one elastic array to the count that was asked for: out is undone if it fails, in only goes forward. */
export function scaleService(input: ServiceOperationInput): Promise<OperationOutcome> {
  const { operationId, serviceId } = input;
  const { component = '', instances = 0 } = input.params;
  return runOperation(input, async (operation) => {
    const inBatches = isPatched('batches');
    const change = await operation.step({
      name: 'compare',
      run: () => site.planScaling({ serviceId, component, instances, ...(inBatches ? { operationId } : {}) }),
    });
    if (change.create.length > 0) {
      const deployment = await planAndReserve(operation, (attempt) =>
        site.planAdditions({ operationId, serviceId, component, indices: change.create, attempt, inBatches }),
      );
      await deployVees(operation, deployment);
    }
    if (change.retire.length > 0 || change.retireInBatches) {
      operation.pointOfNoReturn();
      if (change.retireInBatches) await retireInBatches(operation, change.retireInBatches);
      else await retireVees(operation, [change.retire]);
    }
    const before = instances - change.create.length;
    const undoesCount = change.create.length > 0 && isPatched('scaleUndoesCount');
    await operation.step({
      name: 'commit',
      ...(undoesCount ? { undo: () => site.setInstances({ serviceId, component, instances: before }) } : {}),
      run: () => site.setInstances({ serviceId, component, instances }),
    });
  });
}
