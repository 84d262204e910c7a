import type { HostEconomy, PowerCurve } from '../cost/host-economy';
import { addedPerHour, compensationPerHour, isInUse, wattsOf } from '../cost/hosting';
import { earnsAnything, type Tariff, tariffOf } from '../cost/tariff';
import { DEFAULT_SLA_CLASS } from '../manifest/sla-class';
import { add } from '../units';
import type { Parameters, Placing, RankedHost } from './policy';

/** Of a host that tells no power curve, and how much a rebalance leaves free of each host that is in use. */
export const POWER_PARAMETERS = { idleWatts: 100, peakWatts: 200, headroomPercent: 10 } satisfies Parameters;

/** What a host draws, or is taken to draw where it does not say. */
export function powerOf({ power }: HostEconomy, parameters: Parameters = {}): PowerCurve {
  if (power) return power;
  const { idleWatts, peakWatts } = { ...POWER_PARAMETERS, ...parameters };
  return { idleWatts, peakWatts: Math.max(idleWatts, peakWatts) };
}

/** A second of waking counts as so many watts: it decides among hosts that draw as much. */
const WATTS_A_WAKE_SECOND = 1e-3;

/** How many watts more would be drawn: all that a host draws by itself if nothing is on it yet. */
export function wattsScore({ need }: Placing, host: RankedHost, parameters: Parameters): number {
  const { capacity, reserved } = host;
  const power = powerOf(host, parameters);
  const more = wattsOf(power, capacity, add(reserved, need), true) - wattsOf(power, capacity, reserved);
  return isInUse(reserved) ? more : more + (power.wakeSeconds ?? 0) * WATTS_A_WAKE_SECOND;
}

/** By one setting: a policy is asked once for each VEE, in the tens of thousands. */
const tariffs = new WeakMap<Parameters, Tariff>();

function tariffBy(parameters: Parameters): Tariff {
  const known = tariffs.get(parameters) ?? tariffOf(parameters);
  tariffs.set(parameters, known);
  return known;
}

/** What is lost an hour by having it there: lower is better, and below 0 it earns. */
export function profitScore(
  { need, vees, slaClass = DEFAULT_SLA_CLASS }: Placing,
  host: RankedHost,
  parameters: Parameters,
): number {
  const tariff = tariffBy(parameters);
  const hosting = addedPerHour(host, need, tariff.energyPerKWh);
  return hosting + vees * (compensationPerHour(host, slaClass, tariff) - tariff.benefit[slaClass]);
}

/** Said of one that earns nothing on the best host; a placement is asked for, and not whether it is worth it. */
export const lossText = (score: number, parameters: Parameters): string | undefined =>
  score > 0 && earnsAnything(tariffBy(parameters))
    ? `at a loss of ${Number(score.toPrecision(3))} an hour`
    : undefined;
