import type { HostId, VeeId } from '../../domain/ids';
import type { OperationInput } from '../../domain/operation/operation';
import { on, veeLabel } from '../../domain/service/deployment';
import { AWAITED, fetchMillisOf, onHost, onHostUndo, site } from './activities';
import type { PlannedMove } from './moves';
import type { Operation } from './operation';
import { isPatched } from './patches';
import type { Saga } from './saga';
import { lockVee } from './vee-transition';

/** Steps per VEE: lock, prepare, send, switch over, commit, finish. */
export const STEPS_PER_MOVE = 6;

/**
 * Moves one VEE of several. Until the switch-over all goes back to the source; from then on this VEE only goes
 * forward, whatever becomes of the others. Its place on the source stays reserved for it: the whole may go back.
 */
export async function moveVee(part: Saga, move: PlannedMove): Promise<void> {
  const label = veeLabel(move);
  const { veeId, mode } = move;
  const vee = await lockVee(part, veeId, 'migrate', label);
  const { component, index, template, tenantId, serviceId } = vee;
  const spec = {
    veeId,
    epoch: move.epoch,
    tenantId,
    serviceId,
    component,
    index,
    template,
    ...on(vee.networks),
  };
  const way: Way = {
    veeId,
    label,
    from: { hostId: vee.hostId, agentQueue: vee.agentQueue, epoch: vee.epoch },
    to: move,
    graceMillis: template.stopGraceMillis,
    stopAndCopy: mode === 'stop-and-copy',
    limits: move.limits,
  };
  await transfer(part, way, spec);
  part.cannotReturn();
  await settle(part, way, 'move');
}

/** Undo of a move as a whole: the way back, in a part that may be tried again. */
export function movingBack(operation: Operation, move: PlannedMove): () => Promise<void> {
  let attempt = 0;
  return () => {
    attempt++;
    return operation.part((part) => moveBack(part, move, attempt));
  };
}

/** By the same steps. Nothing to do for one that has not moved. */
async function moveBack(part: Saga, move: PlannedMove, attempt: number): Promise<void> {
  const { operationId } = part.input;
  const { veeId, fromHostId } = move;
  const back = await site.planMoveBack({ operationId, veeId, toHostId: fromHostId, attempt });
  if (!back) return;
  const label = `${veeLabel(move)} back`;
  const vee = await lockVee(part, veeId, 'migrate', label);
  const { component, index, template, tenantId, serviceId } = vee;
  const spec = {
    veeId,
    epoch: back.epoch,
    tenantId,
    serviceId,
    component,
    index,
    template,
    ...on(vee.networks),
  };
  const way: Way = {
    veeId,
    label,
    from: { hostId: vee.hostId, agentQueue: vee.agentQueue, epoch: vee.epoch },
    to: { hostId: fromHostId, agentQueue: back.agentQueue, epoch: back.epoch },
    graceMillis: template.stopGraceMillis,
    stopAndCopy: false,
    // Absent from site workers of earlier releases.
    limits: back.limits,
  };
  await transfer(part, way, spec);
  part.cannotReturn();
  await settle(part, way, 'move back');
}

interface End {
  readonly hostId: HostId;
  readonly agentQueue: string;
  readonly epoch: number;
}

interface Way {
  readonly veeId: VeeId;
  readonly label: string;
  readonly from: End;
  readonly to: End;
  readonly graceMillis: number;
  readonly stopAndCopy: boolean;
  readonly limits: PlannedMove['limits'];
}

type Spec = Parameters<ReturnType<typeof onHost>['prepareTarget']>[0]['spec'];

async function transfer(part: Saga, way: Way, spec: Spec): Promise<void> {
  const { timing }: OperationInput = part.input;
  const { veeId, label, from, to, graceMillis, stopAndCopy, limits } = way;
  const source = { hostId: from.hostId, ref: { veeId, epoch: from.epoch } };
  const target = { hostId: to.hostId, ref: { veeId, epoch: to.epoch } };
  const dropTarget = () =>
    onHostUndo(to.agentQueue, timing, `drop target of ${label}`).cancelMigration({
      ...target,
      side: 'target',
    });
  const offer = await part.step({
    name: `prepare ${label}`,
    host: to.hostId,
    undo: dropTarget,
    run: () =>
      onHost(to.agentQueue, timing, `prepare ${label}`, fetchMillisOf(spec.template)).prepareTarget({
        hostId: to.hostId,
        spec,
        fromHostId: from.hostId,
      }),
  });
  await part.step({
    name: `send ${label}`,
    host: from.hostId,
    ...(isPatched('cancelSending') ? { interruptible: true, awaited: true } : {}),
    undo: () =>
      onHostUndo(from.agentQueue, timing, `send ${label}`).cancelMigration({
        ...source,
        side: 'source',
        of: to.epoch,
      }),
    run: () =>
      onHost(
        from.agentQueue,
        timing,
        `send ${label}`,
        graceMillis + (limits?.allowMillis ?? 0),
        AWAITED,
      ).sendVee({
        ...source,
        offer,
        stopAndCopy,
        toHostId: to.hostId,
        toEpoch: to.epoch,
        limits,
      }),
  });
  await part.step({
    name: `switch over ${label}`,
    host: to.hostId,
    undo: dropTarget,
    run: () => onHost(to.agentQueue, timing, `switch over ${label}`).switchOver(target),
  });
}

/** The target runs: say so, and clear what is left on the source. */
async function settle(part: Saga, way: Way, step: 'move' | 'move back'): Promise<void> {
  const { operationId, timing } = part.input;
  const { veeId, label, from, to } = way;
  await part.step({
    name: `commit ${label}`,
    run: () => site.commitMove({ operationId, veeId, toHostId: to.hostId, epoch: to.epoch, step }),
  });
  await part.step({
    name: `finish ${label}`,
    host: from.hostId,
    mootWhenFenced: true,
    run: () =>
      onHost(from.agentQueue, timing, `finish ${label}`).finishMigration({
        hostId: from.hostId,
        ref: { veeId, epoch: to.epoch },
      }),
  });
}
