import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { AWAITED, fetchMillisOf, onHost, onHostUndo, site } from '../lib/activities';
import { runOperation } from '../lib/operation';
import { isPatched } from '../lib/patches';
import { tagHost } from '../lib/search-attributes';
import { veeIdOf } from '../lib/vee-input';
import { lockVee } from '../lib/vee-transition';

/**
 * Moves a VEE to another host. The migration owns its reservation on the target, and the target's copy has
 * a newer epoch. Undos run in reverse, so the copy on the target is gone for certain before the source
 * runs on: at no moment can both run. Once the target runs there is no way back.
 */
export function migrateVee(input: OperationInput): Promise<OperationOutcome> {
  const { operationId, timing } = input;
  const veeId = veeIdOf(input);
  return runOperation(input, async (operation) => {
    operation.expect(8);
    const vee = await lockVee(operation, veeId, 'migrate');
    const move = await operation.step({
      name: 'plan and reserve',
      undo: () => site.releaseMigration({ operationId, veeId }),
      run: () =>
        site.planMigration({
          operationId,
          veeId,
          ...input.params,
        }),
    });
    tagHost(move.target.hostId);
    const [from, to] = [
      { hostId: vee.hostId, ref: { veeId, epoch: vee.epoch } },
      { hostId: move.target.hostId, ref: { veeId, epoch: move.epoch } },
    ];
    const source = (step: string, allowMillis = 0) =>
      onHost(vee.agentQueue, timing, step, vee.template.stopGraceMillis + allowMillis, AWAITED);
    const target = (step: string, moreMillis = 0) => onHost(move.target.agentQueue, timing, step, moreMillis);
    const dropTarget = () =>
      onHostUndo(move.target.agentQueue, timing, 'drop target').cancelMigration({ ...to, side: 'target' });

    const offer = await operation.step({
      name: 'prepare target',
      host: to.hostId,
      undo: dropTarget,
      run: () =>
        target('prepare target', fetchMillisOf(move.spec.template)).prepareTarget({
          hostId: to.hostId,
          spec: move.spec,
          fromHostId: from.hostId,
        }),
    });
    await operation.step({
      name: 'send',
      host: from.hostId,
      ...(isPatched('cancelSending') ? { interruptible: true, awaited: true } : {}),
      undo: () =>
        onHostUndo(vee.agentQueue, timing, 'send').cancelMigration({
          ...from,
          side: 'source',
          of: move.epoch,
        }),
      run: () =>
        source('send', move.limits?.allowMillis).sendVee({
          ...from,
          offer,
          stopAndCopy: move.stopAndCopy,
          toHostId: to.hostId,
          toEpoch: move.epoch,
          limits: move.limits,
        }),
    });
    await operation.step({
      name: 'switch over',
      host: to.hostId,
      undo: dropTarget,
      run: () => target('switch over').switchOver(to),
    });
    operation.pointOfNoReturn();
    await operation.step({
      name: 'commit',
      run: () => site.commitMove({ operationId, veeId, toHostId: to.hostId, epoch: move.epoch }),
    });
    await operation.step({
      name: 'finish source',
      host: from.hostId,
      mootWhenFenced: true,
      run: () => source('finish source').finishMigration({ hostId: from.hostId, ref: to.ref }),
    });
    await operation.step({
      name: 'release source',
      run: () => site.releaseReservation({ hostId: from.hostId, veeId }),
    });
  });
}
