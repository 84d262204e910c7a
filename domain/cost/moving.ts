import type { SlaClass } from '../manifest/sla-class';
import { estimateMigration, type MigrationBudget, type MigrationMode } from '../migration/estimate';
import type { Capacity } from '../units';
import type { Tariff } from './tariff';

export interface PricedMove {
  readonly capacity: Capacity;
  readonly stopGraceMillis: number;
  readonly mode: MigrationMode;
  readonly slaClass: SlaClass;
}

/** What moving VEEs takes, beside the time: how long they stand still in all, what is sent, and what both are worth. */
export interface MovingCost {
  readonly stillMillis: number;
  readonly sentMiB: number;
  /** In the currency of the site; absent where the policy in force has no prices. */
  readonly money?: number;
  /** How many write their memory faster than it is sent, and are stilled before nearly all of it is there. */
  readonly diverging?: number;
}

/** Of one VEE, at the rate that each migration is to have of a link. */
export function costOfMove(
  { capacity, stopGraceMillis, mode, slaClass }: PricedMove,
  { streamKbps, dirtyKbps }: MigrationBudget,
  tariff: Pick<Tariff, 'benefit' | 'transferPerGiB'> | undefined,
): MovingCost {
  const estimate = estimateMigration(capacity, mode, streamKbps, stopGraceMillis, dirtyKbps);
  const { stillMillis, sentMiB } = estimate;
  const takes = { stillMillis, sentMiB, ...(estimate.diverges ? { diverging: 1 } : {}) };
  if (!tariff) return takes;
  const unserved = (stillMillis / 3_600_000) * tariff.benefit[slaClass];
  return { ...takes, money: unserved + (sentMiB / 1_024) * tariff.transferPerGiB };
}

export const sumOfMoves = (costs: readonly MovingCost[]): MovingCost | undefined =>
  costs.length === 0
    ? undefined
    : costs.reduce(({ stillMillis, sentMiB, money, diverging = 0 }, c) => ({
        stillMillis: stillMillis + c.stillMillis,
        sentMiB: sentMiB + c.sentMiB,
        ...(diverging + (c.diverging ?? 0) > 0 ? { diverging: diverging + (c.diverging ?? 0) } : {}),
        ...(money === undefined || c.money === undefined ? {} : { money: money + c.money }),
      }));
