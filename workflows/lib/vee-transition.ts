import type { LivingVee } from '../../domain/service/deployment';
import { veeLabel } from '../../domain/service/deployment';
import type { VeeVerb } from '../../domain/vee/state-machine';
import { onHost, onHostUndo, site } from './activities';
import type { Steps } from './saga';
import { tagHost } from './search-attributes';

/** Verbs that are one call on a host, each with the one that takes it back. */
const INVERSE = { pause: 'resume', resume: 'pause', suspend: 'restore', restore: 'suspend' } as const;
export type SimpleVerb = keyof typeof INVERSE;

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
  verb: SimpleVerb,
  label?: string,
) {
  const { operationId, timing } = operation.input;
  const vee = await lockVee(operation, veeId, verb, label);
  const { hostId, agentQueue, epoch } = vee;
  const call = { hostId, ref: { veeId, epoch } };
  const name = veeLabel(vee);
  await operation.step({
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
  await operation.step({
    name: `commit ${name}`,
    undo: () => site.revertState({ operationId, veeId, verb: INVERSE[verb] }),
    run: () => site.commitState({ operationId, veeId, verb }),
  });
}
