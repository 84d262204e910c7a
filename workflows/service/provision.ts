import { ApplicationFailure } from '@temporalio/workflow';
import type { ServiceId } from '../../domain/ids';
import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import type { LargeDeployment } from '../../domain/service/batches';
import type { Deployment } from '../../domain/service/deployment';
import { site } from '../lib/activities';
import { countOf, deployVees, planAndReserve, STEPS_PER_VEE } from '../lib/deploy';
import { deployWhatStarts } from '../lib/deploy-what-starts';
import { type Operation, runOperation } from '../lib/operation';
import { isPatched } from '../lib/patches';

/**
 * A service from `requested` to `operating`: plan, reserve, then each VEE defined, started, ready and
 * metered, in start order. If any step fails all of it is undone and the service ends `decommissioned`; with
 * `provisioning.onFailure: keep` only the VEEs that fail are, and the service operates with the others.
 */
export function provisionService(input: ServiceOperationInput): Promise<OperationOutcome> {
  const { operationId, serviceId } = input;
  return runOperation(input, async (operation) => {
    const inBatches = isPatched('batches');
    const admission = await operation.step({
      name: 'admit',
      undo: () => site.withdrawService({ serviceId, operationId }),
      run: () => site.admitService({ operationId, serviceId }),
    });
    const deployment = await planAndReserve(operation, (attempt) =>
      site.planService({ operationId, serviceId, attempt, inBatches }),
    );
    await operation.step({
      name: 'deploying',
      run: () => site.enterPhase({ serviceId, phase: 'deploying', operationId }),
    });
    // Histories from before there was a choice have no admission to read.
    if (admission?.onFailure === 'keep') return keepWhatStarts(operation, serviceId, deployment);
    await deployVees(operation, deployment);
    await operation.step({ name: 'operate', run: () => site.operateService({ serviceId, operationId }) });
  });
}

async function keepWhatStarts(
  operation: Operation,
  serviceId: ServiceId,
  deployment: Deployment | LargeDeployment,
): Promise<void> {
  const { operationId } = operation.input;
  operation.expect(1 + countOf(deployment) * STEPS_PER_VEE + 1);
  const failures = await deployWhatStarts(operation, deployment);
  const [first] = failures;
  if (!first)
    return operation.step({ name: 'operate', run: () => site.operateService({ serviceId, operationId }) });
  // Of a service that does not run at all there is nothing to keep.
  if (failures.length === countOf(deployment))
    throw ApplicationFailure.nonRetryable(`${first.about}: ${first.error.detail}`, first.error.code);
  for (const failure of failures) operation.note(failure);
  operation.pointOfNoReturn();
  await operation.step({
    name: 'operate with what runs',
    run: () => site.operatePartly({ serviceId, operationId }),
  });
  operation.keep({ step: first.about, direction: 'forward', error: first.error });
}
