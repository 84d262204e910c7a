import type { LivingVee } from '../../domain/service/deployment';
import { veeLabel } from '../../domain/service/deployment';
import type { StateVerb, VeeVerb } from '../../domain/vee/state-machine';
import { onHost, onHostUndo, site } from './activities';
import type { Steps } from './saga';
import { tagHost } from './search-attributes';

/** Verbs that are one call on a host, each with the one that takes it back. */
export const INVERSE: Readonly<Record<StateVerb, StateVerb>> = {
  pause: 'resume',
  resume: 'pause',
  suspend: 'restore',
  restore: 'suspend',
};

/** Takes the VEE's lock; the undo gives it back. Every operation on a VEE begins with it. */
export async function lockVee(operation: Steps, veeId: LivingVee['veeId'], verb: VeeVerb, label?: string) {
  const { operationId } = operation.input;
  const vee = await operation.step({
    name: label ? `lock ${label}` : 'lock',
    undo: () => site.unlockVee({ operationId, veeId }),
    run: () => site.lockVee({ operationId, veeId, verb }),
  });
  tagHost(vee.hostId);
  return vee;
}

/** Lock, act, commit, for one VEE and one of the simple verbs. */
export async function changeState(
  operation: Steps,
  veeId: LivingVee['veeId'],
  verb: StateVerb,
  label?: string,
) {
  const { operationId } = operation.input;
  const vee = await lockVee(operation, veeId, verb, label);
  await actAndCommit(operation, vee, verb, {
    commit: () => site.commitState({ operationId, veeId, verb }),
    revert: () => site.revertState({ operationId, veeId, verb: INVERSE[verb] }),
  });
}

/** Of a VEE whose lock is held. @param records how its new state is written down, and the old one again */
export async function actAndCommit(
  steps: Pick<Steps, 'input' | 'step'>,
  vee: LivingVee,
  verb: StateVerb,
  records: { readonly commit: () => Promise<void>; readonly revert: () => Promise<void> },
): Promise<void> {
  const { timing } = steps.input;
  const { veeId, hostId, agentQueue, epoch } = vee;
  const call = { hostId, ref: { veeId, epoch } };
  const name = veeLabel(vee);
  await steps.step({
    name: `${verb} ${name}`,
    host: hostId,
    undo: () =>
      onHostUndo(agentQueue, timing, `${verb} ${name}`).changeVee({
        ...call,
        verb: INVERSE[verb],
        ifPossible: true,
      }),
    run: () => onHost(agentQueue, timing, `${verb} ${name}`).changeVee({ ...call, verb }),
  });
  await steps.step({ name: `commit ${name}`, undo: records.revert, run: records.commit });
}
