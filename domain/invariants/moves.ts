import type { LedgerEvent } from '../accounting/ledger';
import { groupBy } from '../group-by';
import type { HostId } from '../ids';
import type { OperationRecord } from '../operation/operation';
import { breaches } from '../placement/constraints';
import type { SnapshotHost } from '../placement/model';
import { occupiesHost } from '../vee/state-machine';
import type { SystemState } from './model';

/** A move that is taken back so soon need not have been made. */
const PERIOD_MILLIS = 3_600_000;

interface Move {
  readonly event: LedgerEvent;
  readonly from: HostId;
  readonly operation: OperationRecord;
  /** The operation that asked for it, or for the one that asked for it. */
  readonly root: OperationRecord;
}

/** What the site moves by itself stays where it was put, and where it may be; a rebalance betters the site by few moves. */
export function movesStand(state: SystemState) {
  const { ledger, operations, vees, constraints, snapshotHosts } = state;
  const byId = new Map(operations.map((o) => [o.id as string, o]));
  const moves = [...groupBy(ledger, (e) => e.veeId).values()].map((events) => ownMoves(events, byId));
  const hosts = new Map<HostId, SnapshotHost>(snapshotHosts.map((h) => [h.id, h]));
  const placed = vees.filter((v) => occupiesHost(v.state));
  const broken = constraints.flatMap((c) => breaches(c, placed, hosts));
  const where = new Map(placed.map((v) => [v.id as string, v.hostId]));
  const violations = moves.flatMap((of) => {
    const last = of.at(-1);
    const there = last && where.get(last.event.veeId) === last.event.hostId ? last : undefined;
    return [
      ...toAndFro(of),
      ...broken.flatMap((b) =>
        there && b.includes(there.event.veeId)
          ? [`${there.operation.id} moved ${there.event.veeId} to ${there.event.hostId}: ${b}`]
          : [],
      ),
    ];
  });
  const beyond = beyondPlans(state, moves.flat());
  return { checked: moves.flat().length, violations: [...violations, ...beyond] };
}

/** Rebalances that decided to make something worse or to move too much, or moved what they had not decided to. */
function beyondPlans({ rebalances }: SystemState, moves: readonly Move[]): string[] {
  const byId = new Map(rebalances.map((r) => [r.id, r]));
  const worse = rebalances.flatMap(({ id, before, after, mostMoves, moves: planned }) => {
    const vees = planned.reduce((n, m) => n + m.veeIds.length, 0);
    return [
      ...(vees > 0 && after >= before ? [`${id} was to bring the site from ${before} to ${after}`] : []),
      ...(vees > mostMoves ? [`${id} was to move ${vees} VEEs, and might move ${mostMoves}`] : []),
    ];
  });
  const unplanned = moves.flatMap(({ event: { veeId, hostId }, from, operation, root }) => {
    if (root.kind !== 'site.rebalance' || operation.state === 'undone') return [];
    const planned = byId
      .get(root.id)
      ?.moves.some((m) => m.veeIds.includes(veeId) && m.fromHostId === from && m.toHostId === hostId);
    return planned ? [] : [`${root.id} moved ${veeId} from ${from} to ${hostId}, and had not decided to`];
  });
  return [...worse, ...unplanned];
}

/** Moves of one VEE that were asked for by an operation, not by a person for this very VEE or service. */
function ownMoves(events: readonly LedgerEvent[], byId: ReadonlyMap<string, OperationRecord>): Move[] {
  const ordered = [...events].sort((a, b) => a.seq - b.seq);
  return ordered.flatMap((event, i) => {
    const from = ordered[i - 1]?.hostId;
    const operation = byId.get(event.operationId);
    if (event.kind !== 'moved' || from === undefined || from === event.hostId) return [];
    if (operation?.parentId === undefined) return [];
    return [{ event, from, operation, root: rootOf(operation, byId) }];
  });
}

function rootOf(operation: OperationRecord, byId: ReadonlyMap<string, OperationRecord>): OperationRecord {
  let root = operation;
  for (let up = byId.get(root.parentId ?? ''); up; up = byId.get(root.parentId ?? '')) root = up;
  return root;
}

/**
 * Away and back by migrations of one and the same operation, or of two that the site asked for. To bring VEEs back is
 * what a restore is for, and what an undo does.
 */
function toAndFro(moves: readonly Move[]): string[] {
  return moves.flatMap((back, i) => {
    const away = moves[i - 1];
    if (!away || back.event.hostId !== away.from || back.from !== away.event.hostId) return [];
    if (back.event.at - away.event.at > PERIOD_MILLIS) return [];
    const wanted = [away, back].some(
      (m) =>
        !m.operation.kind.endsWith('.migrate') || m.operation.state === 'undone' || m.root.state === 'undone',
    );
    const bySite = away.root.requestedBy === 'site' && back.root.requestedBy === 'site';
    if (wanted || back.root.kind === 'host.restore' || !(bySite || away.root.id === back.root.id)) return [];
    return [
      `${back.event.veeId} was moved from ${away.from} to ${away.event.hostId} by ${away.operation.id} and back by ${back.operation.id}`,
    ];
  });
}
