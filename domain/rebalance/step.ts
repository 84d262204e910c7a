import type { HostId } from '../ids';
import { estimateMigration, usualMode } from '../migration/estimate';
import type { BalancedVee, BalanceQuestion } from './model';
import type { BalanceUnit } from './unit';

/** One move of a plan, in the order in which they are made. */
export interface Step {
  readonly unit: BalanceUnit;
  readonly from: HostId;
  readonly to: HostId;
  readonly because: string;
  /** See `BalanceMove`. */
  readonly frees?: true;
  readonly makesRoom?: true;
  readonly opens?: true;
  readonly cheaper?: true;
}

/** What moving a VEE costs, in moves of one that takes no time: each minute that it takes, or stands still. */
const MINUTE = 0.2;
const STILL_MINUTE = 2;

/** What it costs to move VEEs, in moves of one VEE that takes no time. */
export function costOfMoving(
  vees: readonly BalancedVee[],
  migration: 'live' | 'cold' | 'none' = 'cold',
  { budget }: Pick<BalanceQuestion, 'budget'>,
): number {
  return vees.reduce((cost, { need, stopGraceMillis }) => {
    const mode = usualMode(migration);
    const { streamKbps, dirtyKbps } = budget;
    const estimate = estimateMigration(need, mode, streamKbps, stopGraceMillis, dirtyKbps);
    const { totalMillis, stillMillis } = estimate;
    return cost + 1 + (totalMillis * MINUTE + stillMillis * STILL_MINUTE) / 60_000;
  }, 0);
}
