import { verbFor } from '../../domain/service/batches';
import { veeLabel } from '../../domain/service/deployment';
import { runBatches } from './batches';
import { listWork } from './list-work';
import type { Operation } from './operation';
import { inParallel } from './parallel';
import { changeState } from './vee-transition';

/** Steps per VEE: lock, act, commit. */
const STEPS_PER_CHANGE = 3;

/** Stills every VEE of a service, dependants first, or brings them back in start order. */
export async function changeAll(operation: Operation, work: 'suspend' | 'resume'): Promise<void> {
  const listed = await listWork(operation, work);
  if (listed.kind === 'many') {
    operation.expect(listed.plan.total * STEPS_PER_CHANGE + 1);
    return runBatches(operation, listed.plan, {
      type: 'changeBatch',
      takenBackBy: 'takeBackChange',
      verb: work,
      stepsPerVee: STEPS_PER_CHANGE,
    });
  }
  const groups = work === 'resume' ? [...listed.groups].reverse() : listed.groups;
  for (const group of groups)
    await inParallel(
      group.filter((vee) => verbFor(work, vee) !== undefined),
      async (vee) => {
        const verb = verbFor(work, vee);
        if (verb) await changeState(operation, vee.veeId, verb, veeLabel(vee));
      },
    );
}
