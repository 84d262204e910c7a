import { tariffOf } from '../cost/tariff';
import type { Goal } from '../placement/policy';
import { describeAmount } from './distance';
import type { Layout } from './layout';
import type { BalancePlan, BalanceQuestion } from './model';
import type { Step } from './step';
import { moneyOfMoving, movesFor } from './worth';

/** Does a goal count what hosts draw or cost, rather than how many are in use? */
export const isPriced = (goal: Goal): boolean => goal === 'watts' || goal === 'cost';

export const hostsInUse = (layout: Layout): number =>
  layout.hosts.filter((h) => !layout.isEmpty(h.id)).length;

type Asked = Pick<BalanceQuestion, 'hosts' | 'policy' | 'budget'>;
type Way = Pick<Step, 'unit' | 'from'>;

const hostOf = ({ hosts }: Asked, id: Way['from']) => hosts.find((h) => h.id === id);

/** What moves have to save by the scale of the goal, to be worth it. */
export const priceOfMoves = (ways: readonly Way[], question: Asked, worth: number): number =>
  ways.reduce(
    (n, { unit, from }) => n + movesFor(hostOf(question, from), unit.vees, question, worth) * worth,
    0,
  );

/** What they cost once, and when that has to be saved. */
export const paybackOf = (ways: readonly Way[], question: Asked): NonNullable<BalancePlan['payback']> => ({
  moves: ways.reduce(
    (n, { unit, from }) => n + moneyOfMoving(hostOf(question, from), unit.vees, question),
    0,
  ),
  hours: tariffOf(question.policy.parameters).paybackHours,
});

export function whyNothingCheaper(layout: Layout, goal: Goal, before: number): string {
  const of = `${hostsInUse(layout)} of the ${layout.hosts.length} hosts that are open are in use`;
  if (before === 0 && goal === 'cost') return `${of}, and none of them has a price.`;
  const what = goal === 'watts' ? 'draw about' : 'cost';
  return `${of}, and ${what} ${describeAmount(goal, before)}. What may move now saves nothing beyond what moving it costs.`;
}
