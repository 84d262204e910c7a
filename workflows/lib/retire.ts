import { type LivingVee, veeLabel } from '../../domain/service/deployment';
import { onHost, site } from './activities';
import type { Operation } from './operation';
import { inParallel } from './parallel';

/** Steps per VEE: destroy, retire. */
export const STEPS_PER_RETIREMENT = 2;

/** Ends VEEs for good, group by group: dependants before what they depend on. Only past the point of no return. */
export async function retireVees(
  operation: Operation,
  groups: readonly (readonly LivingVee[])[],
): Promise<void> {
  for (const group of groups) await inParallel(group, (vee) => retireVee(operation, vee));
}

async function retireVee(operation: Operation, vee: LivingVee): Promise<void> {
  const { operationId, timing } = operation.input;
  const { veeId, epoch, hostId, agentQueue, stopGraceMillis } = vee;
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
    run: () => site.retireVee({ operationId, veeId }),
  });
}
