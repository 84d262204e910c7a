import type { BalancePlan, BalanceQuestion } from '../domain/rebalance/model';
import { planRebalance } from '../domain/rebalance/plan';

/** What a thread of `planner.ts` runs. */
export default (question: BalanceQuestion): BalancePlan => planRebalance(question);
