import { SluiceError } from '../domain/errors';
import type { OperationId } from '../domain/ids';
import { imbalanceOf, Layout } from '../domain/rebalance/layout';
import { type BalancePlan, type RebalanceRecord, USUAL_MOVES } from '../domain/rebalance/model';
import { confirmMoves, planRebalance } from '../domain/rebalance/plan';
import { readBalanceQuestion } from '../store/balance-question';
import { askBySite } from './ask-by-site';
import type { SiteDeps } from './deps';

/** Activities that even out how hosts are loaded. */
export function createRebalanceActivities(deps: SiteDeps) {
  const { store } = deps;
  const { migrationBudget: budget, placementPolicy: policy } = deps;

  const question = (mostMoves: number, which?: 'all') =>
    readBalanceQuestion(store, deps.now(), { policy, budget, mostMoves }, which);

  async function recordOf(operationId: OperationId): Promise<RebalanceRecord> {
    const record = await store.rebalances.get(operationId);
    if (!record) throw new SluiceError('not-found', `${operationId} has no plan.`);
    return record;
  }

  return {
    /** Plans once: a repeat finds the first answer. */
    async planRebalance({
      operationId,
    }: {
      operationId: OperationId;
    }): Promise<Pick<BalancePlan, 'moves' | 'waves'>> {
      const kept = await store.rebalances.get(operationId);
      if (kept) return { moves: kept.moves, waves: kept.waves };
      const mostMoves = (await store.operations.get(operationId))?.params.mostMoves ?? USUAL_MOVES;
      const plan = planRebalance(await question(mostMoves));
      const { moves, waves } = await store.rebalances.put({
        id: operationId,
        createdAt: deps.now(),
        ...plan,
      });
      return { moves, waves };
    },

    /** Which moves of a wave, by their index, are no longer right, and why. */
    async confirmRebalance({
      operationId,
      wave,
    }: {
      operationId: OperationId;
      wave: readonly number[];
    }): Promise<{ index: number; because: string }[]> {
      const { moves } = await recordOf(operationId);
      const asked = wave.flatMap((index) => {
        const move = moves[index];
        return move ? [{ index, move }] : [];
      });
      const verdicts = confirmMoves(
        await question(asked.length, 'all'),
        asked.map((a) => a.move),
      );
      return verdicts.flatMap((v, n) => (v.go ? [] : [{ index: asked[n]?.index ?? 0, because: v.because }]));
    },

    async tellRebalanced({ operationId }: { operationId: OperationId }): Promise<void> {
      const { before, moves, because } = await recordOf(operationId);
      const now = imbalanceOf(new Layout(await question(0, 'all')));
      const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
      const told =
        moves.length === 0
          ? `Nothing was moved. ${because ?? ''}`
          : `Loads differed by ${percent(before)} of a host, and differ by ${percent(now)} after up to ${moves.length} moves.`;
      await store.events.append({
        id: `${operationId}/rebalanced`,
        at: deps.now(),
        kind: 'site.rebalanced',
        message: told.trim(),
        subject: deps.siteId,
        operationId,
      });
    },

    /**
     * What the schedule does: looks, and asks for a rebalance only when there is something worth moving. What people do
     * with a host or the site goes first: the next look comes soon.
     */
    async seekImbalance({ key }: { key: string }): Promise<{ moves: number; operationId?: OperationId }> {
      const { moves } = planRebalance(await question(USUAL_MOVES));
      if (moves.length === 0) return { moves: 0 };
      const operationId = await askBySite(
        deps,
        'site.rebalance',
        key,
        (o) => o.kind.startsWith('host.') || (o.kind.startsWith('site.') && o.kind !== 'site.reconcile'),
      );
      return { moves: moves.length, ...(operationId ? { operationId } : {}) };
    },
  };
}
