import { ApplicationFailure } from '@temporalio/workflow';
import { SLA_CLASSES } from '../../domain/manifest/sla-class';
import type { HostOperationInput, OperationOutcome } from '../../domain/operation/operation';
import { site, siteWait } from '../lib/activities';
import { type Operation, runOperation } from '../lib/operation';
import { inParallel } from '../lib/parallel';
import { isPatched } from '../lib/patches';

/**
 * A host is lost: that is a fact, so this is never undone, only retried. It is fenced first; then what ran there is
 * made anew elsewhere, services of the best class first, since there may not be room for all. What finds no room
 * makes the operation wait for the operator; that its host has come back meanwhile and runs it, a retry finds out.
 */
export function recoverHost(input: HostOperationInput): Promise<OperationOutcome> {
  const { operationId, hostId } = input;
  return runOperation(input, async (operation) => {
    operation.pointOfNoReturn();
    const fenced = await operation.step({
      name: 'fence',
      run: () => siteWait().fenceHost({ operationId, hostId, confirmed: input.params.confirmed === true }),
    });
    if (!fenced) {
      operation.note({
        about: hostId,
        error: { code: 'conflict', detail: 'It has come back: nothing to recover.' },
      });
      return;
    }
    await operation.step({ name: 'end waits', run: () => site.tellFenced({ hostId }) });
    let round = 0;
    await operation.step({
      name: 'restart elsewhere',
      run: async () => {
        let [before, left] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
        let rest: Awaited<ReturnType<typeof site.listOccupants>> = [];
        do {
          before = left;
          round++;
          operation.replaceNotes([]);
          for (const slaClass of SLA_CLASSES) await restart(operation, input, slaClass, round);
          rest = await site.listOccupants({ hostId });
          if (rest.length === 0 || !(await site.isLost({ hostId }))) return;
          left = rest.reduce((n, o) => n + o.vees, 0);
          // One relocation takes so many VEEs; others may have been in the way of it.
        } while (left < before && isPatched('recoverInRounds'));
        throw ApplicationFailure.nonRetryable(
          `No room elsewhere for ${rest.map((o) => `${o.vees} of ${o.name} (${o.slaClass})`).join(', ')}; the ` +
            'operation’s notes say why. Retry when there is.',
          'placement-infeasible',
        );
      },
    });
  });
}

async function restart(
  operation: Operation,
  { operationId: parentId, hostId }: HostOperationInput,
  slaClass: (typeof SLA_CLASSES)[number],
  round: number,
): Promise<void> {
  const occupants = await site.listOccupants({ hostId });
  await inParallel(
    occupants.filter((o) => o.slaClass === slaClass),
    async ({ serviceId, name }) => {
      const asked = await site.requestOperation({
        parentId,
        key: `relocate/${serviceId}/${round}`,
        kind: 'service.relocate',
        serviceId,
        params: { fromHostId: hostId, partial: true, cause: 'host-lost' },
      });
      // Nobody's answer may keep the services that come after this one down.
      const end = await siteWait().awaitOperation({ ...asked, orStuck: true });
      for (const note of end.notes ?? []) operation.note({ ...note, about: `${name}/${note.about}` });
      if (end.error && end.state !== 'completed') operation.note({ about: name, error: end.error });
    },
  );
}
