import type { VeeId } from '../../domain/ids';
import type { BatchPlan } from '../../domain/service/batches';
import { type LivingVee, veeLabel } from '../../domain/service/deployment';
import { onHost, site, waitOnHost } from './activities';
import { runBatches } from './batches';
import type { Operation } from './operation';
import { inParallel } from './parallel';
import type { Steps } from './saga';

/** Steps per VEE: destroy, retire. */
export const STEPS_PER_RETIREMENT = 2;

/** Ends VEEs for good, group by group: dependants before what they depend on. Only past the point of no return. */
export async function retireVees(operation: Steps, groups: readonly (readonly LivingVee[])[]): Promise<void> {
  for (const group of groups) await inParallel(group, (vee) => retireVee(operation, vee));
}

export async function retireInBatches(operation: Operation, plan: BatchPlan): Promise<void> {
  operation.expect(plan.total * STEPS_PER_RETIREMENT + 1);
  await runBatches(operation, plan, {
    type: 'retireBatch',
    verb: 'retire',
    stepsPerVee: STEPS_PER_RETIREMENT,
  });
}

/**
 * Ends one: it hands over if it has a hook for that, then goes from its host, then from the ledger.
 * @param record closes the ledger, and gives back what it held
 */
export async function retireVee(
  operation: Pick<Steps, 'input' | 'step'>,
  vee: LivingVee,
  record?: (veeId: VeeId) => Promise<void>,
): Promise<void> {
  const { operationId, timing } = operation.input;
  const { veeId, epoch, hostId, agentQueue, stopGraceMillis, drain, hostFenced } = vee;
  if (drain && !hostFenced) {
    const end = await operation.step({
      name: `drain ${veeLabel(vee)}`,
      host: hostId,
      mootWhenFenced: true,
      run: () =>
        waitOnHost(agentQueue, timing, drain.timeoutMillis, `drain ${veeLabel(vee)}`).drainVee({
          hostId,
          ref: { veeId, epoch },
          drain,
        }),
    });
    if (end === 'failed' || end === 'timed-out')
      await operation.step({
        name: `note drain ${veeLabel(vee)}`,
        run: () => site.noteDrain({ operationId, veeId, end }),
      });
  }
  if (!hostFenced)
    await operation.step({
      name: `destroy ${veeLabel(vee)}`,
      host: hostId,
      mootWhenFenced: true,
      run: () =>
        onHost(agentQueue, timing, `destroy ${veeLabel(vee)}`, stopGraceMillis).destroyVee({
          hostId,
          ref: { veeId, epoch },
          graceMillis: stopGraceMillis,
        }),
    });
  await operation.step({
    name: `retire ${veeLabel(vee)}`,
    run: () => (record ? record(veeId) : site.retireVee({ operationId, veeId })),
  });
}
