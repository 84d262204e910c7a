import { compensationPerHour, ownPerHour, sharePerHour, wattsOf } from '../cost/hosting';
import { costOfMove } from '../cost/moving';
import { tariffOf } from '../cost/tariff';
import { DEFAULT_SLA_CLASS } from '../manifest/sla-class';
import { usualMode } from '../migration/estimate';
import { goalOf } from '../placement/built-in-policies';
import { POWER_PARAMETERS, powerOf } from '../placement/cost-policies';
import type { SnapshotHost } from '../placement/model';
import type { Goal, Parameters } from '../placement/policy';
import type { Capacity } from '../units';
import { type BalancedVee, type BalanceQuestion, HOST_WORTH } from './model';
import { costOfMoving } from './step';

/**
 * Where hosts cost money: a VEE that is moved has to save a hundredth of what a host in use costs, beyond what moving it
 * costs. Nothing is moved for pennies.
 */
const MOVES_A_PRICED_HOST = 100;

/** What a goal counts a site by: hosts in use, watts, or money an hour. */
export interface Scale {
  /** Of a host that is in use, whatever is on it. */
  readonly own: (host: SnapshotHost) => number;
  /** Of something on a host, beside that; absent where it is the same on all. */
  readonly share?: (host: SnapshotHost, need: Capacity, vees: readonly BalancedVee[]) => number;
  /** A host in use, as they are on average, is worth so many moves. */
  readonly movesAHost: number;
  /** How much of a host is to be left free, from 0 to 1. */
  readonly keepFree: number;
}

export function scaleOf(goal: Goal, parameters: Parameters = {}): Scale {
  switch (goal) {
    case 'watts': {
      const { headroomPercent } = { ...POWER_PARAMETERS, ...parameters };
      return {
        own: (host) => powerOf(host, parameters).idleWatts,
        share: (host, need) => {
          const power = powerOf(host, parameters);
          return wattsOf(power, host.capacity, need, true) - power.idleWatts;
        },
        ...{ movesAHost: HOST_WORTH, keepFree: headroomPercent / 100 },
      };
    }
    case 'cost': {
      const tariff = tariffOf(parameters);
      const { energyPerKWh } = tariff;
      return {
        own: (host) => ownPerHour(host, energyPerKWh),
        share: (host, need, vees) =>
          vees.reduce(
            (n, { slaClass = DEFAULT_SLA_CLASS }) => n + compensationPerHour(host, slaClass, tariff),
            sharePerHour(host, need, energyPerKWh),
          ),
        ...{ movesAHost: MOVES_A_PRICED_HOST, keepFree: 0 },
      };
    }
    default:
      return { own: () => 1, movesAHost: HOST_WORTH, keepFree: 0 };
  }
}

/**
 * What it costs to move VEEs from a host, in moves: one for each of them, and what the migration takes: money where that is
 * what the site is counted by, and else time.
 * @param unit what a move is worth by the scale of the goal
 */
export function movesFor(
  host: SnapshotHost | undefined,
  vees: readonly BalancedVee[],
  question: Pick<BalanceQuestion, 'policy' | 'budget'>,
  unit: number,
): number {
  const { policy } = question;
  if (goalOf(policy) !== 'cost') return costOfMoving(vees, host?.capabilities.migration, question);
  const { paybackHours } = tariffOf(policy.parameters);
  return vees.length + moneyOfMoving(host, vees, question) / paybackHours / unit;
}

/** What moving these costs once, by the tariff of the policy. */
export function moneyOfMoving(
  host: SnapshotHost | undefined,
  vees: readonly BalancedVee[],
  { policy, budget }: Pick<BalanceQuestion, 'policy' | 'budget'>,
): number {
  const mode = usualMode(host?.capabilities.migration ?? 'cold');
  const tariff = tariffOf(policy.parameters);
  return vees.reduce((money, { need: capacity, stopGraceMillis, slaClass = DEFAULT_SLA_CLASS }) => {
    const move = { capacity, stopGraceMillis, mode, slaClass };
    return money + (costOfMove(move, budget, tariff).money ?? 0);
  }, 0);
}
