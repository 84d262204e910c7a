import { type LivingVee, veeLabel } from '../../domain/service/deployment';
import type { MemberMaking } from '../../domain/service/recompose-work';
import type { Readiness } from '../../domain/vee/vee';
import type { VeeRef } from '../../drivers/contract';
import { awaitReady, type OnAgent, onHost, onHostUndo, site } from './activities';
import { moveVee, movingBack, STEPS_PER_MOVE } from './migration';
import type { PlannedMove } from './moves';
import type { Operation } from './operation';
import { restoration } from './restore-vee';
import { retireVee } from './retire';
import type { Steps } from './saga';
import { lockVee } from './vee-transition';

/** Steps for each member: lock, reserve, resize, ready, commit. */
export const STEPS_PER_RESIZE = 5;
/** Plan, the migration itself, ready. */
export const STEPS_PER_MEMBER_MOVE = STEPS_PER_MOVE + 2;

/** Changes what a running member has, and sees that it still serves. */
export async function resizeMember(
  steps: Steps,
  vee: LivingVee,
  { capacity: to, readiness }: MemberMaking,
): Promise<void> {
  const { operationId, timing } = steps.input;
  const { veeId, epoch, hostId, agentQueue } = vee;
  const label = veeLabel(vee);
  const call = { hostId, ref: { veeId, epoch } };
  const { template } = await lockVee(steps, veeId, 'resize', label);
  const from = template.capacity;
  await steps.step({
    name: `reserve ${label}`,
    undo: () => site.adjustReservation({ veeId, hostId, capacity: from }),
    run: () => site.adjustReservation({ veeId, hostId, capacity: to }),
  });
  await steps.step({
    name: `resize ${label}`,
    host: hostId,
    undo: () =>
      onHostUndo(agentQueue, timing, `resize ${label}`).resizeVee({
        ...call,
        capacity: from,
        ifPossible: true,
      }),
    run: () => onHost(agentQueue, timing, `resize ${label}`).resizeVee({ ...call, capacity: to }),
  });
  await awaitMember(steps, label, { ...call, agentQueue }, readiness);
  await steps.step({
    name: `commit ${label}`,
    undo: () => site.revertResize({ operationId, veeId, capacity: from }),
    run: () => site.commitResize({ operationId, veeId, capacity: to }),
  });
}

/** Moves a member as a group's migration does, and sees that it serves where it is now. */
export async function moveMember(
  operation: Operation,
  steps: Steps,
  vee: LivingVee,
  readiness: Readiness,
  plan: () => Promise<PlannedMove>,
): Promise<void> {
  const { operationId } = operation.input;
  const { veeId } = vee;
  const label = veeLabel(vee);
  const move = await steps.step({
    name: `plan ${label}`,
    undo: () => site.releaseMigration({ operationId, veeId }),
    run: plan,
  });
  steps.onUndo(`move back ${label}`, movingBack(operation, move));
  await operation.part((part) => moveVee(part, move));
  const { hostId, epoch, agentQueue } = move;
  await awaitMember(steps, label, { hostId, agentQueue, ref: { veeId, epoch } }, readiness);
}

/** Ends a member that another has taken the place of, or that nobody wants any more. */
export async function endMember(steps: Steps, vee: LivingVee): Promise<void> {
  // Nobody misses what never ran. No step's undo: that would be moot on a fenced host, and this is not.
  if (vee.state !== 'DEFINED') steps.onUndo(`bring back ${veeLabel(vee)}`, restoration(steps, vee));
  await retireVee(steps, vee);
}

async function awaitMember(
  steps: Steps,
  label: string,
  at: OnAgent & { readonly ref: VeeRef },
  readiness: Readiness,
): Promise<void> {
  await steps.step({
    name: `ready ${label}`,
    interruptible: true,
    host: at.hostId,
    run: () => awaitReady(at, at.ref, steps.input.timing, `ready ${label}`, readiness),
  });
}
