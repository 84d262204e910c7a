import { ApplicationFailure } from '@temporalio/workflow';
import type { HostId } from '../../domain/ids';
import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { onHost, site } from '../lib/activities';
import { runOperation } from '../lib/operation';
import { tagHost } from '../lib/search-attributes';
import { veeIdOf } from '../lib/vee-input';
import { lockVee } from '../lib/vee-transition';

/**
 * Records a move that has happened: the VEE was found to run, at a newer epoch, where it is not recorded to be. Both
 * hosts are asked first. It starts nothing; what is left where it was is removed.
 */
export function adoptVee(input: OperationInput): Promise<OperationOutcome> {
  const { operationId, timing } = input;
  const veeId = veeIdOf(input);
  const toHostId = input.params.toHostId as HostId | undefined;
  if (!toHostId) throw ApplicationFailure.nonRetryable('vee.adopt needs a host.', 'request-invalid');
  return runOperation(input, async (operation) => {
    operation.expect(8);
    const from = await lockVee(operation, veeId, 'mend');
    const toQueue = await operation.step({
      name: 'find agent',
      run: () => site.agentOf({ hostId: toHostId }),
    });
    tagHost(toHostId);
    const ask = (name: string, hostId: HostId, queue: string) =>
      operation.step({
        name,
        host: hostId,
        run: () => onHost(queue, timing, name).inspectVee({ hostId, veeId }),
      });
    const recorded = await ask('ask recorded host', from.hostId, from.agentQueue);
    const found = await ask('ask found host', toHostId, toQueue);
    const { epoch } = await operation.step({
      name: 'decide',
      run: () => site.planAdoption({ operationId, veeId, toHostId, recorded, found }),
    });
    await operation.step({
      name: 'reserve',
      undo: () => site.releaseMigration({ operationId, veeId }),
      run: () => site.holdPlace({ operationId, veeId, hostId: toHostId }),
    });
    operation.pointOfNoReturn();
    await operation.step({
      name: 'commit',
      run: () => site.commitMove({ operationId, veeId, toHostId, epoch }),
    });
    if (from.hostId === toHostId) return;
    await operation.step({
      name: 'finish source',
      host: from.hostId,
      mootWhenFenced: true,
      run: () =>
        onHost(from.agentQueue, timing, 'finish source').finishMigration({
          hostId: from.hostId,
          ref: { veeId, epoch },
        }),
    });
    await operation.step({
      name: 'release source',
      run: () => site.releaseReservation({ hostId: from.hostId, veeId }),
    });
  });
}
