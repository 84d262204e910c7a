import { ApplicationFailure } from '@temporalio/workflow';
import type { SiteActivities } from '../../activities';
import type { OperationParams, ServiceOperationInput } from '../../domain/operation/operation';
import { site } from './activities';
import type { Operation } from './operation';

export type MovePlan = Awaited<ReturnType<SiteActivities['planMoves']>>;
export type PlannedMove = MovePlan['moves'][number];

/** Other plans may keep taking the capacity; after so many lost races the operation fails, and says so. */
const MOST_PLANS = 5;

/** Plans moves of a service's VEEs and reserves their targets under the operation's id, again while others are quicker. */
export async function planAndReserveMoves(
  operation: Operation,
  input: ServiceOperationInput,
  verb: 'migrate' | 'relocate',
): Promise<MovePlan> {
  const { operationId, serviceId } = input;
  const params: OperationParams = input.params;
  for (let attempt = 1; attempt <= MOST_PLANS; attempt++) {
    const suffix = attempt === 1 ? '' : ` (attempt ${attempt})`;
    const plan = await operation.step({
      name: `plan${suffix}`,
      run: () => site.planMoves({ operationId, serviceId, verb, params, attempt }),
    });
    const { blueprintId } = plan;
    const reserved = await operation.step({
      name: `reserve${suffix}`,
      undo: () => site.releaseStray({ operationId, blueprintId }),
      run: () => site.reserveMoves({ operationId, blueprintId }),
    });
    if (reserved) return plan;
  }
  throw ApplicationFailure.nonRetryable(
    `Other plans took the capacity ${MOST_PLANS} times in a row.`,
    'placement-race',
  );
}
