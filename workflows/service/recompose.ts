import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { site } from '../lib/activities';
import { runOperation } from '../lib/operation';
import { carryOutWave } from '../lib/recompose-wave';

/**
 * Makes a service as another manifest says, wave by wave. Until the last wave is done all of it can be taken back,
 * and is when something fails; with `update.onFailure: keep` only what failed is, and the rest stays as it is then.
 */
export function recomposeService(input: ServiceOperationInput): Promise<OperationOutcome> {
  const { operationId, serviceId } = input;
  return runOperation(input, async (operation) => {
    const { waves, moves, onFailure, former } = await operation.step({
      name: 'plan',
      run: () => site.planRecomposition({ operationId, serviceId }),
    });
    await operation.step({
      name: 'recomposing',
      undo: () => site.leaveRecomposition({ operationId, serviceId, ...(former ? { former } : {}) }),
      run: () => site.enterRecomposition({ operationId, serviceId }),
    });
    for (let wave = 0; wave < waves; wave++) {
      const failures = await carryOutWave(operation, { serviceId, wave, waves, keep: onFailure === 'keep' });
      const [first] = failures;
      if (!first) continue;
      for (const failure of failures) operation.note(failure);
      operation.pointOfNoReturn();
      await operation.step({ name: 'keep', run: () => site.keepRecomposition({ operationId, serviceId }) });
      await releaseLeftPlaces();
      operation.keep({ step: first.about, direction: 'forward', error: first.error });
    }
    operation.pointOfNoReturn();
    await operation.step({
      name: 'commit',
      run: () => site.commitRecomposition({ operationId, serviceId }),
    });
    await releaseLeftPlaces();

    async function releaseLeftPlaces(): Promise<void> {
      if (!moves) return;
      const name = 'release places that were left';
      await operation.step({ name, run: () => site.releaseLeftPlaces({ operationId, serviceId }) });
    }
  });
}
