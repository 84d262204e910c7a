import { groupBy } from '../../domain/group-by';
import type { HostOperationInput, OperationOutcome } from '../../domain/operation/operation';
import { site } from '../lib/activities';
import { runChild } from '../lib/children';
import { runOperation } from '../lib/operation';
import { inParallel } from '../lib/parallel';

/**
 * Opens a host after maintenance and brings back what left it for that, unless somebody has stopped, moved or ended
 * it meanwhile: those stay, and are named.
 */
export function restoreHost(input: HostOperationInput): Promise<OperationOutcome> {
  const { operationId, hostId } = input;
  return runOperation(input, async (operation) => {
    await operation.step({
      name: 'open',
      undo: () => site.openHost({ hostId, cordoned: true }),
      run: () => site.openHost({ hostId, cordoned: false }),
    });
    const { back, staying, names } = await operation.step({
      name: 'plan',
      run: () => site.planReturn({ hostId }),
    });
    for (const { veeId, about = veeId, because } of staying)
      operation.note({
        about,
        veeId,
        error: { code: 'conflict', detail: `It stays where it is: ${because}.` },
      });
    const services = [...groupBy(back, (r) => r.serviceId)];
    await inParallel(services, async ([serviceId, returns]) => {
      const name = names?.[serviceId] ?? serviceId;
      const params = { veeIds: returns.map((r) => r.veeId), toHostId: hostId, partial: true };
      const end = await runChild(operation, `bring back ${returns.length} of ${name}`, {
        key: `return/${serviceId}`,
        kind: 'service.migrate',
        serviceId,
        params,
      });
      for (const note of end.notes ?? []) operation.note(note);
      if (end.error && end.state !== 'completed') operation.note({ about: name, error: end.error });
    });
    operation.pointOfNoReturn();
    await operation.step({ name: 'in use again', run: () => site.endMaintenance({ operationId, hostId }) });
  });
}
