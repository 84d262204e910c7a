import { SluiceError } from '../domain/errors';
import type { OperationId } from '../domain/ids';
import type { OperationRecord } from '../domain/operation/operation';
import { describeDistance, distanceOf } from '../domain/rebalance/distance';
import { Layout } from '../domain/rebalance/layout';
import {
  type BalanceMove,
  COOL_DOWN_MILLIS,
  type RebalanceRecord,
  USUAL_MOVES,
} from '../domain/rebalance/model';
import { confirmMoves } from '../domain/rebalance/plan';
import { type Looker, readBalanceQuestion } from '../store/balance-question';
import { askBySite } from './ask-by-site';
import type { SiteDeps } from './deps';
import { switchOutBroken } from './switch-out';

/** What a workflow has to know of a plan: its moves by their index, and which go side by side. */
export interface RebalanceOutline {
  readonly moves: readonly BalanceMove[];
  readonly waves: readonly (readonly number[])[];
}

/** What people do with a host or the site goes first: the next look comes soon. */
const goesFirst = ({ kind }: OperationRecord) =>
  kind.startsWith('host.') || (kind.startsWith('site.') && kind !== 'site.reconcile');

/** Activities that bring a site nearer to what its placement policy wants. */
export function createRebalanceActivities(deps: SiteDeps) {
  const { store, migrationBudget: budget } = deps;

  const question = async (mostMoves: number, looker: Looker) =>
    readBalanceQuestion(
      store,
      deps.now(),
      { siteId: deps.siteId, policy: await deps.policies.inForce(), budget, mostMoves },
      looker,
    );

  async function recordOf(operationId: OperationId): Promise<RebalanceRecord> {
    const record = await store.rebalances.get(operationId);
    if (!record) throw new SluiceError('not-found', `${operationId} has no plan.`);
    return record;
  }

  /** Somebody who has called one off within the hour does not want the next at once. */
  async function wasCalledOff(): Promise<boolean> {
    const recent = await store.rebalances.since(deps.now() - COOL_DOWN_MILLIS);
    const ended = await Promise.all(recent.map((r) => store.operations.get(r.id)));
    return ended.some((o) => o?.state === 'undone' && o.error?.code === 'cancelled');
  }

  return {
    /** Plans once: a repeat finds the first answer. */
    async planRebalance({ operationId }: { operationId: OperationId }): Promise<RebalanceOutline> {
      const kept = await store.rebalances.get(operationId);
      if (kept) return { moves: kept.moves, waves: kept.waves };
      const operation = await store.operations.get(operationId);
      const mostMoves = operation?.params.mostMoves ?? USUAL_MOVES;
      const looker = operation?.requestedBy === 'site' ? 'site' : 'people';
      const plan = await deps.planRebalance(await question(mostMoves, looker));
      await switchOutBroken(deps, plan.broken ?? []);
      const { moves, waves } = await store.rebalances.put({
        ...plan,
        id: operationId,
        createdAt: deps.now(),
        mostMoves,
      });
      return { moves, waves };
    },

    /** Which moves of a wave, by their index, are not to be made any more, and why. */
    async confirmRebalance({
      operationId,
      wave,
    }: {
      operationId: OperationId;
      wave: readonly number[];
    }): Promise<{ index: number; because: string }[]> {
      // Whoever stills the site must not wait until it is even.
      const waiting = (await store.operations.underWay()).find(
        (o) => o.kind.startsWith('site.') && o.state === 'queued' && o.behind?.includes(operationId),
      );
      if (waiting) return wave.map((index) => ({ index, because: `${waiting.id} (${waiting.kind}) waits` }));
      const { goal, moves, waves } = await recordOf(operationId);
      const toCome = waves.slice(waves.findIndex((w) => wave.some((i) => w.includes(i)))).flat();
      const asked = wave.flatMap((index) => {
        const move = moves[index];
        return move ? [{ index, move }] : [];
      });
      const verdicts = confirmMoves(
        await question(asked.length, 'confirming'),
        asked.map((a) => a.move),
        { ...(goal ? { goal } : {}), moves: toCome.flatMap((i) => moves[i] ?? []) },
      );
      return verdicts.flatMap((v, n) => (v.go ? [] : [{ index: asked[n]?.index ?? 0, because: v.because }]));
    },

    /** What has become of it, in a sentence. */
    async measureRebalanced({ operationId }: { operationId: OperationId }): Promise<string> {
      const { goal = 'even', before, moves, because } = await recordOf(operationId);
      if (moves.length === 0) return `nothing is moved: ${because ?? ''}`;
      const asked = await question(0, 'confirming');
      const now = distanceOf(new Layout(asked), goal, asked.policy.parameters);
      const made = (await store.operations.childrenOf([operationId])).filter((o) => o.state === 'completed');
      return `${made.length} of ${moves.length} moves were made: ${describeDistance(goal, before, now)}`;
    },

    async tellRebalanced({
      operationId,
      outcome,
    }: {
      operationId: OperationId;
      outcome: string;
    }): Promise<void> {
      await store.events.append({
        id: `${operationId}/rebalanced`,
        at: deps.now(),
        kind: 'site.rebalanced',
        message: outcome,
        subject: deps.siteId,
        operationId,
      });
    },

    /** What the schedule does: looks, and asks for a rebalance only when there is something worth moving. */
    async seekImbalance({ key }: { key: string }): Promise<{ moves: number; operationId?: OperationId }> {
      if ((await store.operations.underWay()).some(goesFirst)) return { moves: 0 };
      if (await wasCalledOff()) return { moves: 0 };
      const { moves, broken = [] } = await deps.planRebalance(await question(USUAL_MOVES, 'site'));
      await switchOutBroken(deps, broken);
      if (moves.length === 0) return { moves: 0 };
      const operationId = await askBySite(deps, 'site.rebalance', key, goesFirst);
      return { moves: moves.length, ...(operationId ? { operationId } : {}) };
    },
  };
}
