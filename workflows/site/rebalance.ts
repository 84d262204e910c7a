import type { OperationInput, OperationOutcome } from '../../domain/operation/operation';
import { site, siteWait } from '../lib/activities';
import { type Operation, runOperation } from '../lib/operation';
import { inParallel } from '../lib/parallel';

type Plan = Awaited<ReturnType<ReturnType<typeof siteWait>['planRebalance']>>;

/**
 * Evens the load of hosts out, or frees some, as the policy wants it. Each move is an operation on its service, which chooses anew under that service's lock, so
 * what was planned a while ago breaks no constraint. Before each wave it is asked again which of its moves are still right:
 * one that is not is left out and noted, and so is one that fails or gets stuck. Undone, no further move begins, and those
 * under way go back where they still can; what was moved stays, since no move makes the site worse.
 */
export function rebalanceSite(input: OperationInput): Promise<OperationOutcome> {
  const { operationId } = input;
  const measure = () => siteWait().measureRebalanced({ operationId });
  const tell = (outcome: string) => site.tellRebalanced({ operationId, outcome });
  return runOperation(input, async (operation) => {
    const plan = await operation.step({
      name: 'plan',
      run: () => siteWait().planRebalance({ operationId }),
    });
    // What was moved stays, and is told of, also when no more is moved.
    operation.onUndo('tell', async () => tell(await measure()));
    for (const [n, wave] of plan.waves.entries()) {
      const rest = plan.waves.slice(n);
      operation.expect(rest.flat().length + rest.length + 2);
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
    operation.expect(2);
    const outcome = await operation.step({ name: 'measure', run: measure });
    await operation.step({ name: outcome, run: () => tell(outcome) });
  });
}

async function move(operation: Operation, { moves }: Plan, index: number): Promise<void> {
  const move = moves[index];
  if (!move) return;
  const { label, serviceId, veeIds, fromHostId, toHostId } = move;
  const parentId = operation.input.operationId;
  const key = `move/${index}`;
  // Whole by itself: what was moved is not undone when something that comes later is.
  const end = await operation.part((part) =>
    part.step({
      name: `move ${label} to ${toHostId}`,
      interruptible: true,
      undo: () => siteWait().cancelChild({ parentId, key, orStuck: true }),
      run: async () => {
        const asked = await site.requestOperation({
          parentId,
          key,
          kind: 'service.migrate',
          serviceId,
          // Not from elsewhere: then it has been moved meanwhile.
          params: { veeIds, fromHostId, toHostId },
        });
        // Nobody's answer may keep the site from going on.
        return siteWait().awaitOperation({ ...asked, orStuck: true });
      },
    }),
  );
  const detail = `${end.operationId} is ${end.state}.`;
  if (end.state !== 'completed')
    operation.note({ about: label, error: end.error ?? { code: 'conflict', detail } });
}
