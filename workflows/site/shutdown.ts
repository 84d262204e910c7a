import { ApplicationFailure } from '@temporalio/workflow';
import type { ServiceId } from '../../domain/ids';
import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { site } from '../lib/activities';
import { runChild } from '../lib/children';
import { type Operation, runOperation } from '../lib/operation';
import { inParallel } from '../lib/parallel';

/**
 * Stills every service so that hosts may be switched off: nothing new is placed, then class by class, the best last,
 * each service in its own stop order. Undone, those that were stilled run again.
 */
export function shutDownSite(input: OperationInput): Promise<OperationOutcome> {
  const { operationId } = input;
  return runOperation(input, async (operation) => {
    await operation.step({
      name: 'close',
      undo: () => site.reopenSite({ operationId }),
      run: () => site.closeSite({ operationId }),
    });
    const groups = await operation.step({ name: 'list', run: () => site.listToStill() });
    for (const group of groups)
      await inParallel(group, async ({ serviceId, name }) => {
        operation.onUndo(`wake ${name}`, wakingOf(operation, serviceId, name));
        const end = await runChild(operation, `still ${name}`, {
          key: `still/${serviceId}`,
          kind: 'service.suspend',
          serviceId,
          params: {},
        });
        if (end.state === 'completed')
          await operation.step({ name: `note ${name}`, run: () => site.noteStilled({ serviceId }) });
        else if (end.error) operation.note({ about: name, error: end.error });
      });
    await operation.step({ name: 'verify', patient: true, run: () => site.verifyStill({ operationId }) });
  });
}

/** @returns an undo that may be tried again: each try asks for an operation of its own */
function wakingOf(operation: Operation, serviceId: ServiceId, name: string): () => Promise<void> {
  let attempt = 0;
  return async () => {
    if (!(await site.isStill({ serviceId }))) return;
    const key = `wake/${serviceId}/${++attempt}`;
    const end = await operation.part((part) =>
      runChild(part, `wake ${name}`, { key, kind: 'service.resume', serviceId, params: {} }),
    );
    if (end.state !== 'completed')
      throw ApplicationFailure.nonRetryable(
        `${name} could not be woken: ${end.error?.detail ?? end.state}`,
        end.error?.code ?? 'conflict',
      );
  };
}
