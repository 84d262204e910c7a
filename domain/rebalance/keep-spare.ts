import { groupBy } from '../group-by';
import type { HostId, VeeId } from '../ids';
import { Evacuations } from '../placement/online/evacuations';
import { residentOf, siteWithout } from '../placement/online/from-snapshot';
import type { BalanceQuestion } from './model';

interface Sent {
  readonly veeIds: readonly VeeId[];
  readonly to: HostId;
}

/**
 * How many of these moves may be made, from the first on, such that no loss leaves something without a place that would have
 * had one before: moves in between are not looked at, as one that is in the way may be made up for by the next.
 */
export function movesThatKeepSpare(question: BalanceQuestion, moves: readonly Sent[]): number {
  const { spare } = question;
  if (!spare || moves.length === 0) return moves.length;
  const before = strandedBy(question, []);
  const isKept = (many: number) =>
    [...strandedBy(question, moves.slice(0, many))].every((stranded) => before.has(stranded));
  if (isKept(moves.length)) return moves.length;
  // The fewer are made the likelier: looked for by halves.
  let [kept, tooMany] = [0, moves.length];
  while (tooMany - kept > 1) {
    const middle = Math.floor((kept + tooMany) / 2);
    if (isKept(middle)) kept = middle;
    else tooMany = middle;
  }
  return kept;
}

/** What the losses of hosts, or zones, would leave without a place. */
function strandedBy(question: BalanceQuestion, moves: readonly Sent[]): Set<string> {
  const { hosts, vees, constraints, spare } = question;
  const to = new Map(moves.flatMap((m) => m.veeIds.map((id) => [id, m.to])));
  const rules = groupBy(constraints, (c) => c.serviceId);
  const counting = new Set(spare?.counting);
  const numberOf = new Map(hosts.map((h, n) => [h.id, n]));
  const site = siteWithout({ hosts }, vees, 'tightest');
  const residents = vees.flatMap((v) => {
    const host = numberOf.get(to.get(v.id) ?? v.hostId);
    const of = { ...v, constraints: rules.get(v.serviceId) ?? [] };
    return host === undefined
      ? []
      : [residentOf(site, of, { host, counts: counting.has(v.serviceId), name: v.id })];
  });
  const evacuations = new Evacuations(site, spare?.lose ?? 'host', residents);
  return new Set([...hosts.keys()].flatMap((d) => evacuations.evacuationOf(d).stranded.map((r) => r.name)));
}
