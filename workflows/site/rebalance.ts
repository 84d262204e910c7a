import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { site, siteWait } from '../lib/activities';
import { runChild } from '../lib/children';
import { type Operation, runOperation } from '../lib/operation';
import { inParallel } from '../lib/parallel';

type Plan = Awaited<ReturnType<ReturnType<typeof siteWait>['planRebalance']>>;

/**
 * Evens the load of hosts out. Each move is an operation on its service, which chooses anew under that service's lock, so
 * what was planned a while ago breaks no constraint. Before each wave it is asked again which of its moves are still right:
 * one that is not is left out and noted. Cancelled, no further move begins; those made stay, since each bettered the site.
 */
export function rebalanceSite(input: OperationInput): Promise<OperationOutcome> {
  const { operationId } = input;
  return runOperation(input, async (operation) => {
    const plan = await operation.step({
      name: 'plan',
      run: () => siteWait().planRebalance({ operationId }),
    });
    operation.expect(plan.moves.length + plan.waves.length + 1);
    for (const [n, wave] of plan.waves.entries()) {
      const dropped = await operation.step({
        name: `confirm wave ${n + 1} of ${plan.waves.length}`,
        run: () => siteWait().confirmRebalance({ operationId, wave }),
      });
      for (const { index, because } of dropped)
        operation.note({
          about: plan.moves[index]?.label ?? '',
          error: { code: 'conflict', detail: `It stays where it is: ${because}.` },
        });
      const left = wave.filter((i) => !dropped.some((d) => d.index === i));
      await inParallel(left, (i) => move(operation, plan, i));
    }
    operation.pointOfNoReturn();
    await operation.step({ name: 'tell', run: () => site.tellRebalanced({ operationId }) });
  });
}

async function move(operation: Operation, { moves }: Plan, index: number): Promise<void> {
  const move = moves[index];
  if (!move) return;
  const { label, serviceId, veeIds, fromHostId, toHostId } = move;
  const end = await runChild(operation, `move ${label} to ${toHostId}`, {
    key: `move/${index}`,
    kind: 'service.migrate',
    serviceId,
    // Not from elsewhere: then it has been moved meanwhile.
    params: { veeIds, fromHostId, toHostId },
  });
  if (end.error && end.state !== 'completed') operation.note({ about: label, error: end.error });
}
