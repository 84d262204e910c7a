import type { PlanCost } from '../domain/operation/plan-cost';

/** What of a plan counts watts or money; the API has it where hosts tell what they cost. */
export interface PricedPlan {
  readonly goal?: string;
  readonly watts?: BeforeAfter;
  readonly costPerHour?: BeforeAfter;
  readonly payback?: { readonly moves: number; readonly hours: number };
  readonly optimality?: { readonly cost: number; readonly bound: number };
}

interface BeforeAfter {
  readonly before: number;
  readonly after: number;
}

/** Four digits are more than any price list is exact to. */
const amount = (n: number): string => String(Number(n.toPrecision(4)));
const signed = (n: number): string => `${n > 0 ? '+' : ''}${amount(n)}`;

/** What hosts cost more or less by a plan, and what its migrations take, in lines of their own. */
export function describeMoney({ hosting, moving }: PlanCost): string[] {
  const changes = hosting && (hosting.perHour !== 0 || hosting.watts !== 0);
  return [
    ...(changes
      ? [
          `hosting: ${signed(hosting.perHour)} an hour, ${signed(hosting.perMonth)} a month, ${signed(hosting.watts)} W`,
        ]
      : []),
    ...(hosting?.wakeSeconds
      ? [`a host that comes into use takes ${amount(hosting.wakeSeconds)} s to wake, if it sleeps`]
      : []),
    ...(moving ? [describeMoving(moving)] : []),
  ];
}

function describeMoving({ stillMillis, sentMiB, money, diverging }: NonNullable<PlanCost['moving']>): string {
  return [
    `migrations send ${amount(sentMiB)} MiB; VEEs stand still for ${amount(stillMillis / 1_000)} s in all`,
    ...(money ? [`that is worth ${amount(money)}`] : []),
    ...(diverging ? [`${diverging} write their memory faster than a link sends it`] : []),
  ].join('; ');
}

/** What a rebalance by watts or by cost would gain. */
export function describeSaving({ watts, costPerHour, payback, optimality }: PricedPlan): string[] {
  const counted = watts ?? costPerHour;
  if (!counted) return [];
  const unit = watts ? ' W' : ' an hour';
  const gap = optimality ? Math.max(0, optimality.cost - optimality.bound) : 0;
  const rest = gap < 0.001 * counted.before ? 'nearly nothing' : `${amount(gap)}${unit}`;
  return [
    `hosts in use ${watts ? 'draw about' : 'cost'} ${amount(counted.before)}${unit}, and ${amount(counted.after)}${unit} afterwards`,
    ...(payback
      ? [
          `in ${amount(payback.hours)} hours that saves ${amount((counted.before - counted.after) * payback.hours)}, for moves that cost ${amount(payback.moves)}`,
        ]
      : []),
    ...(optimality ? [`no plan would save more than ${rest} beyond that`] : []),
  ];
}
