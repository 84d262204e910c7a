import type { OperationOutcome, ServiceOperationInput } from '../../domain/operation/operation';
import { veeLabel } from '../../domain/service/deployment';
import { site } from '../lib/activities';
import { summarise } from '../lib/failure';
import { moveVee, movingBack, STEPS_PER_MOVE } from '../lib/migration';
import { planAndReserveMoves } from '../lib/moves';
import { runOperation } from '../lib/operation';
import { inParallel } from '../lib/parallel';

/**
 * Moves VEEs of a service together: all reserved first, then in waves that the hosts' links can carry. If one
 * can't be moved, or the operator cancels, those that have moved already come back, unless the operation was asked
 * to move what it can (`partial`): then that one stays, and is named. Places that were left are given back at the
 * very end, so there is always a place to come back to.
 */
export function migrateService(input: ServiceOperationInput): Promise<OperationOutcome> {
  const { partial = false } = input.params;
  return runOperation(input, async (operation) => {
    const plan = await planAndReserveMoves(operation, input, 'migrate');
    operation.expect(plan.moves.length * STEPS_PER_MOVE + 1);
    for (const { veeId, error, ...vee } of plan.left) operation.note({ about: veeLabel(vee), veeId, error });

    for (const wave of plan.waves)
      await inParallel(
        wave.flatMap((i) => plan.moves[i] ?? []),
        async (move) => {
          if (!partial) operation.onUndo(`move ${veeLabel(move)}`, movingBack(operation, move));
          try {
            await operation.part((part) => moveVee(part, move));
          } catch (error) {
            const summary = summarise(error);
            if (!partial || operation.isEnding(error)) throw error;
            operation.note({ about: veeLabel(move), veeId: move.veeId, error: summary });
          }
        },
      );

    operation.pointOfNoReturn();
    const { operationId } = input;
    const { blueprintId } = plan;
    await operation.step({
      name: 'release what was left',
      run: () => site.releaseStray({ operationId, blueprintId }),
    });
  });
}
