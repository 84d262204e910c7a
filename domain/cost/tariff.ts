import { SLA_CLASSES, type SlaClass } from '../manifest/sla-class';
import type { Parameters, PolicyData } from '../placement/policy';

/** What a site earns and pays, in its currency; all of it is set as parameters of the policy `profit`. */
export interface Tariff {
  readonly energyPerKWh: number;
  /** Of a VEE that runs, by the class of its service, per hour. */
  readonly benefit: Readonly<Record<SlaClass, number>>;
  /** For each time that a VEE is out. */
  readonly compensation: Readonly<Record<SlaClass, number>>;
  /** Of what a migration sends. */
  readonly transferPerGiB: number;
  /** A move has to save what it costs within so long. */
  readonly paybackHours: number;
}

/** With what they are where nobody sets them: nothing is earned or paid that nobody has told. */
export const PROFIT_PARAMETERS = {
  energyPerKWh: 0,
  ...{ benefitGold: 0, benefitSilver: 0, benefitBronze: 0 },
  ...{ compensationGold: 0, compensationSilver: 0, compensationBronze: 0 },
  transferPerGiB: 0,
  paybackHours: 24,
} satisfies Parameters;

export function tariffOf(parameters: Parameters = {}): Tariff {
  const set = { ...PROFIT_PARAMETERS, ...parameters };
  return {
    energyPerKWh: set.energyPerKWh,
    benefit: { gold: set.benefitGold, silver: set.benefitSilver, bronze: set.benefitBronze },
    compensation: {
      ...{ gold: set.compensationGold, silver: set.compensationSilver, bronze: set.compensationBronze },
    },
    transferPerGiB: set.transferPerGiB,
    paybackHours: set.paybackHours,
  };
}

/** By the policy that has one. */
export const tariffInForce = ({ name, parameters, plugin }: PolicyData): Tariff | undefined =>
  name === 'profit' && !plugin ? tariffOf(parameters) : undefined;

/** Has anybody told what a VEE brings in? Where not, nothing can be said to be worth it or not. */
export const earnsAnything = ({ benefit }: Tariff): boolean => SLA_CLASSES.some((c) => benefit[c] > 0);
