import type { Layout } from './layout';
import type { BalanceMove } from './model';
import type { BalanceUnit } from './unit';

/** What has become of a unit since its move was planned that speaks against it, wherever it was to go. */
export function changedSince(layout: Layout, unit: BalanceUnit, move: BalanceMove): string | undefined {
  if (unit.vees.length !== move.veeIds.length || !unit.vees.every((v) => move.veeIds.includes(v.id)))
    return 'it is tied to others than it was';
  if (layout.hostOf(unit) !== move.fromHostId) return `it is on ${layout.hostOf(unit)} now`;
  return unit.fixed;
}
