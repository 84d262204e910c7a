import { groupBy } from '../group-by';
import type { HostId, VeeId } from '../ids';
import type { SnapshotHost, Spare } from '../placement/model';
import { strandedBy } from '../placement/spare-losses';
import { add, type Capacity, subtract, ZERO } from '../units';
import type { BalanceQuestion } from './model';

type Site = Omit<BalanceQuestion, 'mostMoves'>;

interface Sent {
  readonly veeIds: readonly VeeId[];
  readonly to: HostId;
}

/**
 * How many of these moves may be made, from the first on, such that no loss leaves something without a place that would have
 * had one before: moves in between are not looked at, as one that is in the way may be made up for by the next.
 */
export function movesThatKeepSpare(question: Site, moves: readonly Sent[]): number {
  if (!question.spare || moves.length === 0) return moves.length;
  const strandedAfter = (many: number) => {
    const { hosts, spare } = afterMoves(question, moves.slice(0, many));
    return strandedBy(
      { at: question.at, hosts, ...(question.apart ? { apart: question.apart } : {}) },
      spare,
    );
  };
  const before = strandedAfter(0);
  const isKept = (many: number) => [...strandedAfter(many).keys()].every((id) => before.has(id));
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

function afterMoves(
  { hosts, vees, constraints, spare }: Site,
  moves: readonly Sent[],
): { readonly hosts: readonly SnapshotHost[]; readonly spare: Spare } {
  const to = new Map(moves.flatMap((m) => m.veeIds.map((id) => [id, m.to])));
  const rules = groupBy(constraints, (c) => c.serviceId);
  const counting = new Set(spare?.counting);
  const change = new Map<HostId, Capacity>();
  const hold = (id: HostId, amount: Capacity) => change.set(id, add(change.get(id) ?? ZERO, amount));
  for (const { id, hostId, need } of vees) {
    const target = to.get(id);
    if (target === undefined) continue;
    hold(target, need);
    hold(hostId, subtract(ZERO, need));
  }
  return {
    hosts: hosts.map((h) => ({ ...h, reserved: add(h.reserved, change.get(h.id) ?? ZERO) })),
    spare: {
      ...{ lose: spare?.lose ?? 'host', least: 'gold' },
      vees: vees.map((v) => ({
        ...{ ...v, hostId: to.get(v.id) ?? v.hostId, constraints: rules.get(v.serviceId) ?? [] },
        slaClass: counting.has(v.serviceId) ? 'gold' : 'bronze',
      })),
    },
  };
}
