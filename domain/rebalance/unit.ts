import type { HostId, VeeId } from '../ids';
import { blended } from '../measured';
import { unitsOf } from '../placement/feasibility';
import type { Constraint } from '../placement/model';
import { amountOf, type Dimension, loadIn, sum } from '../units';
import type { BalancedVee } from './model';

/** What moves as one: a VEE, or those that affinity ties together. */
export interface BalanceUnit {
  readonly vees: readonly BalancedVee[];
  /** What it needs, by dimension, in the order of the layout’s. */
  readonly needs: readonly number[];
  /** What it is to the load of its host: what it needs, or uses, by the policy. Of devices nothing. */
  readonly loads: readonly number[];
  /** Why it stays; absent when it may move. */
  readonly fixed?: string;
}

export function unitsThatMove(
  vees: readonly BalancedVee[],
  constraints: readonly Constraint[],
  dimensions: readonly Dimension[],
  part: number,
  /** Are hosts evened out by what is measured of this one? */
  isMeasured: (hostId: HostId) => boolean,
): BalanceUnit[] {
  const byId = new Map<VeeId, BalancedVee>(vees.map((v) => [v.id, v]));
  return unitsOf({ vees, constraints }).map((unit) => {
    const members = unit.vees.flatMap(({ id }) => byId.get(id) ?? []);
    const still = members.find((v) => v.fixed);
    const apart = members.some((v) => v.hostId !== members[0]?.hostId);
    // What it is to the load of its host nobody knows, so neither what its move would be worth.
    const unknown = members.some((v) => !v.used && isMeasured(v.hostId));
    const fixed = apart
      ? 'what must be together with it is on another host'
      : (still?.fixed ?? (unknown ? 'nothing is measured of it' : undefined));
    const need = sum(members.map((v) => v.need));
    const load = part > 0 ? sum(members.map((v) => blended(v.need, v.used, part))) : need;
    return {
      vees: members,
      needs: dimensions.map((d) => amountOf(need, d)),
      loads: dimensions.map((d) => loadIn(load, d)),
      ...(fixed ? { fixed } : {}),
    };
  });
}
