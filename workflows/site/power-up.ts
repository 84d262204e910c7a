import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { site, siteWait } from '../lib/activities';
import { runChild } from '../lib/children';
import { runOperation } from '../lib/operation';
import { inParallel } from '../lib/parallel';

/**
 * Brings a site back after a shutdown: waits for its hosts, opens them, and wakes what the shutdown stilled, the
 * best class first. What was suspended before, or by somebody else since, stays so.
 */
export function powerUpSite(input: OperationInput): Promise<OperationOutcome> {
  const { operationId } = input;
  return runOperation(input, async (operation) => {
    await operation.step({
      name: 'open',
      patient: true,
      undo: () => site.closeSiteAgain(),
      run: () => siteWait().openSite(),
    });
    const groups = await operation.step({ name: 'list', run: () => site.listToWake() });
    // What wakes serves somebody at once: from here on it only goes forward.
    operation.pointOfNoReturn();
    for (const group of groups)
      await inParallel(group, async ({ serviceId, name }) => {
        const end = await runChild(operation, `wake ${name}`, {
          key: `wake/${serviceId}`,
          kind: 'service.resume',
          serviceId,
          params: {},
        });
        if (end.error && end.state !== 'completed') operation.note({ about: name, error: end.error });
      });
    await operation.step({ name: 'up', run: () => site.endShutdown({ operationId }) });
  });
}
