import { ledgerWhole, tenantsApart } from './accounts';
import { addressesOnce } from './addresses';
import type { Check, InvariantReport, SystemState } from './model';
import { movesStand } from './moves';
import { keysOnce, operationsEnd } from './operations';
import { constraintsHold, reservationsHold, runsOnce } from './placement';
import { workGoesOn } from './progress';
import { promisesKept } from './promises';

export type { InvariantReport, SystemState } from './model';

/** By their numbers in DESIGN.md §6. A title says what is looked at, which can be less than the invariant promises. */
const INVARIANTS: readonly { number: number; title: string; check: Check }[] = [
  { number: 1, title: 'A VEE runs on at most one host, and where it is recorded', check: runsOnce },
  {
    number: 2,
    title:
      'Neither what is held nor what is promised exceeds what a host offers, nor licences what there are; each, and each address, is somebody’s',
    check: (state) => both(both(reservationsHold(state), promisesKept(state)), addressesOnce(state)),
  },
  { number: 3, title: 'Every operation ends, and none waits unseen', check: operationsEnd },
  { number: 4, title: 'Metered intervals are contiguous and do not overlap', check: ledgerWhole },
  { number: 5, title: 'The same write with the same key has one effect', check: keysOnce },
  { number: 6, title: 'No tenant’s VEE or operation belongs to another’s service', check: tenantsApart },
  {
    number: 7,
    title: 'Affinity, anti-affinity and assignment hold, and tenants are kept apart',
    check: constraintsHold,
  },
  {
    number: 8,
    title:
      'No VEE is moved to and fro by the site itself, nor to where a constraint forbids; a rebalance betters it',
    check: movesStand,
  },
  {
    number: 9,
    title: 'What is under way moves, and records and Temporal agree on what that is',
    check: workGoesOn,
  },
];

export function checkInvariants(state: SystemState): InvariantReport[] {
  return INVARIANTS.map(({ number, title, check }) => ({ number, title, ...check(state) }));
}

const both = (a: ReturnType<Check>, b: ReturnType<Check>): ReturnType<Check> => ({
  checked: a.checked + b.checked,
  violations: [...a.violations, ...b.violations],
});
