import {
  changesOfPlaces,
  type HostChange,
  hostingChange,
  hostingTermsOf,
} from '../domain/cost/hosting-change';
import { costOfMove, type PricedMove, sumOfMoves } from '../domain/cost/moving';
import { tariffInForce } from '../domain/cost/tariff';
import type { HostId } from '../domain/ids';
import type { PlanCost } from '../domain/operation/plan-cost';
import type { Assignment, PlacementRequest, SnapshotHost } from '../domain/placement/model';
import type { Identity } from '../store/identities';
import type { ApiDeps } from './deps';

/** What a plan costs, with what hosts cost more or less by it, and with what its migrations take. */
export async function priced(
  { policies, migrationBudget }: Pick<ApiDeps, 'policies' | 'migrationBudget'>,
  identity: Pick<Identity, 'role'>,
  cost: PlanCost,
  {
    hosts,
    changes,
    moves = [],
  }: {
    readonly hosts: readonly SnapshotHost[];
    readonly changes: readonly HostChange[];
    readonly moves?: readonly PricedMove[];
  },
): Promise<PlanCost> {
  // What a host costs, and whether it was empty, is not for tenants.
  if (identity.role !== 'operator') return cost;
  const policy = await policies.inForce();
  const tariff = tariffInForce(policy);
  const hosting = hostingChange(hosts, changes, hostingTermsOf(policy));
  const moving = sumOfMoves(moves.map((m) => costOfMove(m, migrationBudget, tariff)));
  return { ...cost, ...(hosting ? { hosting } : {}), ...(moving ? { moving } : {}) };
}

/** What assignments change on hosts. */
export function changesBy(
  { vees }: Pick<PlacementRequest, 'vees'>,
  assignments: readonly Pick<Assignment, 'veeId' | 'hostId'>[],
): HostChange[] {
  const target = new Map(assignments.map((a) => [a.veeId, a.hostId]));
  return changesOfPlaces(
    vees.flatMap(({ id, need, moving }) => {
      const to: HostId | undefined = target.get(id);
      return to === undefined ? [] : [{ to, from: moving?.from, need }];
    }),
  );
}
