import { ApplicationFailure } from '@temporalio/workflow';
import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { on, veeLabel } from '../../domain/service/deployment';
import { onHost, site } from '../lib/activities';
import { bringUp } from '../lib/deploy';
import { summarise } from '../lib/failure';
import { type PlannedMove, planAndReserveMoves } from '../lib/moves';
import { runOperation } from '../lib/operation';
import { inParallel } from '../lib/parallel';
import { isPatched } from '../lib/patches';
import type { Saga } from '../lib/saga';
import { lockVee } from '../lib/vee-transition';

/** Steps per VEE: lock, end, define, start, ready, commit. */
const STEPS_PER_RELOCATION = 6;

/**
 * Makes VEEs anew elsewhere, with a newer epoch and without their memory: their host is lost and fenced, or they
 * can't be migrated and the operator insists, or they are not where they are recorded to be. In start order. One
 * that can't be is left as it is, and named; the others are none the worse for it.
 */
export function relocateService(input: ServiceOperationInput): Promise<OperationOutcome> {
  return runOperation(input, async (operation) => {
    const plan = await planAndReserveMoves(
      operation,
      { ...input, params: { partial: true, ...input.params } },
      'relocate',
    );
    operation.expect(plan.moves.length * STEPS_PER_RELOCATION + 1);
    for (const { veeId, error, ...vee } of plan.left) operation.note({ about: veeLabel(vee), veeId, error });
    for (const wave of plan.waves)
      await inParallel(
        wave.flatMap((i) => plan.moves[i] ?? []),
        async (move) => {
          try {
            await operation.part((part) => relocateVee(part, move, input.params.cause ?? 'forced'));
          } catch (error) {
            if (operation.isEnding(error)) throw error;
            operation.note({ about: veeLabel(move), veeId: move.veeId, error: summarise(error) });
          }
        },
      );
    operation.pointOfNoReturn();
    const { operationId } = input;
    const { blueprintId } = plan;
    await operation.step({
      name: 'release what is not used',
      run: () => site.releaseStray({ operationId, blueprintId }),
    });
  });
}

async function relocateVee(
  part: Saga,
  move: PlannedMove,
  cause: 'host-lost' | 'forced' | 'missing',
): Promise<void> {
  const { operationId, timing } = part.input;
  const { veeId, epoch, hostId } = move;
  const label = veeLabel(move);
  const vee = await lockVee(part, veeId, 'relocate', label);
  const { tenantId, serviceId, component, index, template } = vee;
  // It may have waited its turn for long.
  if (cause === 'host-lost' && !vee.hostFenced)
    throw ApplicationFailure.nonRetryable(`${vee.hostId} has come back, and runs it.`, 'conflict');
  if (cause === 'forced') {
    // What is ended can't be brought back as it was: from here on it only goes forward.
    part.cannotReturn();
    const graceMillis = template.stopGraceMillis;
    await part.step({
      name: `end ${label}`,
      host: vee.hostId,
      mootWhenFenced: true,
      run: () =>
        onHost(vee.agentQueue, timing, `end ${label}`, graceMillis).destroyVee({
          hostId: vee.hostId,
          ref: { veeId, epoch: vee.epoch },
          graceMillis,
        }),
    });
  }
  // Whatever still runs of it where it was is superseded before its successor starts: its host, should it come
  // back, is told so with its first heartbeat.
  else {
    const undone = isPatched('relocateUndoesSupersede');
    await part.step({
      name: `supersede ${label}`,
      ...(undone ? { undo: () => site.reinstateVee({ operationId, veeId, epoch: vee.epoch }) } : {}),
      run: () => site.supersedeVee({ operationId, veeId, epoch }),
    });
  }
  const spec = { veeId, epoch, tenantId, serviceId, component, index, template, ...on(vee.networks) };
  await bringUp(part, move, spec, label);
  // It runs: to end it because that could not be recorded, or because it was recorded and the answer was lost, would
  // leave nothing of it anywhere.
  if (cause !== 'forced') part.cannotReturn();
  await part.step({
    name: `commit ${label}`,
    run: () => site.commitMove({ operationId, veeId, toHostId: hostId, epoch, step: 'relocate' }),
  });
}
