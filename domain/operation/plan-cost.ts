import type { HostingChange } from '../cost/hosting-change';
import type { MovingCost } from '../cost/moving';
import type { MigrationMode } from '../migration/estimate';
import { add, type Capacity, subtract, sum, ZERO } from '../units';

/** What carrying out a plan takes. What tenants pay comes with price plans; this is what is paid for. */
export interface PlanCost {
  /** How many VEEs are made, changed, moved or ended. */
  readonly vees: number;
  /** How many of those that serve now stop serving, for a while or for good. */
  readonly interrupted: number;
  /** What is held on hosts once it is done, beyond what is held now; negative is what is given back. */
  readonly capacity: Capacity;
  /** By how much more hosts cost and draw afterwards; absent where none of them has told either, and for tenants. */
  readonly hosting?: HostingChange;
  /** What migrations take; absent where nothing migrates. */
  readonly moving?: MovingCost;
}

export const NO_COST: PlanCost = { vees: 0, interrupted: 0, capacity: ZERO };

export const costOfMaking = (needs: readonly Capacity[]): PlanCost => ({
  vees: needs.length,
  interrupted: 0,
  capacity: sum(needs),
});

export const costOfEnding = (
  vees: readonly { readonly capacity: Capacity; serves: boolean }[],
): PlanCost => ({
  vees: vees.length,
  interrupted: vees.filter((v) => v.serves).length,
  capacity: subtract(ZERO, sum(vees.map((v) => v.capacity))),
});

/** Of what stays where it is and holds what it held. */
export const costOfChanging = (vees: number, interrupted: number): PlanCost => ({
  vees,
  interrupted,
  capacity: ZERO,
});

export const costOfResizing = (from: Capacity, to: Capacity): PlanCost => ({
  vees: 1,
  interrupted: 0,
  capacity: subtract(to, from),
});

/** A VEE that is sent while it runs is still only for the last of it. */
export const costOfMoving = (moves: readonly { readonly mode: MigrationMode }[]): PlanCost =>
  costOfChanging(moves.length, moves.filter((m) => m.mode !== 'pre-copy').length);

export const together = (costs: readonly PlanCost[]): PlanCost =>
  costs.reduce(
    (a, b) => ({
      vees: a.vees + b.vees,
      interrupted: a.interrupted + b.interrupted,
      capacity: add(a.capacity, b.capacity),
    }),
    NO_COST,
  );
