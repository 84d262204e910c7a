import { SluiceError } from '../errors';
import type { HostRecord } from '../host';
import type { OperationParams } from '../operation/operation';
import type { VeeRecord } from '../vee/vee';
import { type MigrationBudget, type MigrationMode, usualMode } from './estimate';
import { describeUnmeetable, meetDeadline } from './waves';

/**
 * How one VEE is to be moved so that a deadline is met, and about how long that takes: a group of one, by the rule of
 * all groups. To which host it goes need not be decided yet.
 * @throws SluiceError `deadline-unmeetable`
 */
export function planSingleMove(
  { id, hostId, template }: VeeRecord,
  source: HostRecord,
  budget: MigrationBudget,
  { deadlineMillis, onDeadline = 'refuse' }: Pick<OperationParams, 'deadlineMillis' | 'onDeadline'>,
): { readonly mode: MigrationMode; readonly estimatedMillis: number } {
  const { capacity, stopGraceMillis } = template;
  const mode = usualMode(source.fingerprint.capabilities.migration);
  const move = { veeId: id, from: hostId, to: hostId, capacity, stopGraceMillis, mode };
  const verdict = meetDeadline([move], budget, deadlineMillis, onDeadline);
  if (verdict.kind === 'unmeetable')
    throw new SluiceError('deadline-unmeetable', describeUnmeetable(1, verdict, deadlineMillis), {
      pointer: '/deadlineMillis',
    });
  return { mode: verdict.moves[0]?.mode ?? mode, estimatedMillis: verdict.schedule.totalMillis };
}
