import { changesOfPlaces, type HostChange } from '../domain/cost/hosting-change';
import type { PricedMove } from '../domain/cost/moving';
import { DEFAULT_SLA_CLASS } from '../domain/manifest/sla-class';
import { usualMode } from '../domain/migration/estimate';
import { reaches } from '../domain/placement/optimize/portfolio';
import type { Goal } from '../domain/placement/policy';
import type { BalanceMove, BalancePlan, BalanceQuestion } from '../domain/rebalance/model';

const FIGURES: Readonly<Record<Goal, string>> = {
  'few-hosts': 'hostsInUse',
  watts: 'watts',
  cost: 'costPerHour',
  even: 'imbalance',
  none: 'imbalance',
};

/** What a rebalance would gain, by what its goal counts, and what is known of how good it is. */
export function rebalanceFigures(plan: BalancePlan): Record<string, unknown> {
  const { goal = 'even', before, after, hostsInUse, payback, estimatedMillis, because } = plan;
  return {
    ...{ goal, [FIGURES[goal]]: { before, after }, estimatedMillis },
    ...howGood(plan),
    ...(hostsInUse ? { hostsInUse } : {}),
    ...(payback ? { payback } : {}),
    ...(because ? { why: because } : {}),
  };
}

/** How good it is known to be, who has found it in what time, and what it leaves where it is. */
function howGood({ optimality, avoided, tookMillis }: BalancePlan) {
  const { cost = 0, bound = 0 } = optimality ?? {};
  const gap = reaches(cost, bound) ? 0 : (cost - bound) / cost;
  return {
    ...(optimality ? { optimality: { ...optimality, gap } } : {}),
    ...(avoided ? { avoided } : {}),
    ...(tookMillis === undefined ? {} : { tookMillis }),
  };
}

/** What a rebalance changes on hosts, and its migrations one by one. */
export function movedBy(
  { vees, hosts }: Pick<BalanceQuestion, 'vees' | 'hosts'>,
  moves: readonly BalanceMove[],
): { readonly changes: readonly HostChange[]; readonly moves: readonly PricedMove[] } {
  const byId = new Map(vees.map((v) => [v.id, v]));
  const byHost = new Map(hosts.map((h) => [h.id, h]));
  const sent = moves.flatMap((m) =>
    m.veeIds.flatMap((id) => {
      const vee = byId.get(id);
      return vee ? [{ vee, from: m.fromHostId, to: m.toHostId }] : [];
    }),
  );
  return {
    changes: changesOfPlaces(sent.map(({ vee, from, to }) => ({ from, to, need: vee.need }))),
    moves: sent.map(({ vee, from }) => ({
      capacity: vee.need,
      stopGraceMillis: vee.stopGraceMillis,
      mode: usualMode(byHost.get(from)?.capabilities.migration ?? 'cold'),
      slaClass: vee.slaClass ?? DEFAULT_SLA_CLASS,
    })),
  };
}
