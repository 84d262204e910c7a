import { PROFIT_PARAMETERS } from '../cost/tariff';
import { blended } from '../measured';
import {
  add,
  amountOf,
  type Capacity,
  dimensionsOf,
  dominantShare,
  hasDevices,
  isDevice,
  subtract,
  withoutDevices,
} from '../units';
import { lossText, POWER_PARAMETERS, profitScore, wattsScore } from './cost-policies';
import {
  type Goal,
  type Parameters,
  type Placing,
  type Policy,
  PolicyBroken,
  type PolicyData,
  type RankedHost,
  type Ranking,
} from './policy';

type Term = (placing: Placing, host: RankedHost, parameters: Parameters) => number;

/**
 * How full the host would be, in the dimension that runs out first: as far as `measured` says by what is measured. Devices
 * don't count: to stripe them would leave no host with many.
 */
const fullness: Term = ({ need }, { capacity, reserved, measured }, { measured: part = 0 }) => {
  const then = add(blended(reserved, measured, part), need);
  return dominantShare(withoutDevices(then), capacity);
};

/**
 * What needs no device rather leaves a host alone that has some left, and what needs some goes where the fewest remain, unless
 * others are fuller by more than this.
 */
const DEVICES_LEFT = 0.1;

const keepsFromDevices: Term = ({ need }, { capacity, reserved }) => {
  if (capacity.devices === undefined) return 0;
  const left = subtract(capacity, reserved);
  if (hasDevices(need)) return DEVICES_LEFT * partLeft(left, need);
  return hasDevices(left) ? DEVICES_LEFT : 0;
};

/** From 0, where none remains of what is needed, towards 1: the fewer there are, the more one of them matters. */
function partLeft(left: Capacity, need: Capacity): number {
  const devices = dimensionsOf(need).filter((d) => isDevice(d) && amountOf(need, d) > 0);
  const remaining = devices.reduce((most, d) => Math.max(most, amountOf(left, d) - amountOf(need, d)), 0);
  return remaining / (remaining + 1);
}

/** A host that holds a licence already is preferred to one that would take another, unless it is fuller by more than this. */
const LICENCE_TAKEN = 0.1;

const sparing: Term = (placing, host, set) =>
  keepsFromDevices(placing, host, set) + (host.takesLicence ? LICENCE_TAKEN : 0);

/**
 * From 0 to 1 each, so that weights compare; up to a tenth more where devices would be left beside it,
 * and one where a licence is taken.
 */
const TERMS = {
  striping: (placing, host, set) => fullness(placing, host, set) + sparing(placing, host, set),
  packing: (placing, host, set) => 1 - fullness(placing, host, set) + sparing(placing, host, set),
  latency: (_, host) => distance(host, USUAL_DISTANCES),
} satisfies Record<string, Term>;

/** What a round trip costs within a zone, between two, and between two sites; within a host it is nothing. */
const USUAL_DISTANCES = { sameZone: 0.2, otherZone: 1, otherSite: 10 };

/** What traffic with the rest of the service would cost, if each talked to each as much. */
function distance({ sameService }: RankedHost, parameters: Parameters): number {
  const { onHost, inZone, inSite, elsewhere = 0 } = sameService;
  const { sameZone = 0, otherZone = 0, otherSite = 0 } = parameters;
  const others = inSite + elsewhere;
  const far = sameZone * (inZone - onHost) + otherZone * (inSite - inZone) + otherSite * elsewhere;
  return others === 0 ? 0 : far / others;
}

const TERM_NAMES = Object.keys(TERMS) as (keyof typeof TERMS)[];

/** How much what is measured counts of load, from 0 (by what is reserved alone) to 1. */
const BY_RESERVATIONS = { measured: 0 };
const USUAL_RANGES: Readonly<Record<string, readonly [least: number, most: number]>> = { measured: [0, 1] };

/** How much of load is what is measured, by a policy as it is set. */
export const measuredPartOf = ({ name, parameters }: PolicyData): number =>
  isBuiltIn(name) ? (parameters?.measured ?? BY_RESERVATIONS.measured) : 0;

/** Among hosts that are as near: less than one neighbour more or less makes. */
const TIE = 1e-3;

interface BuiltIn {
  readonly takes: string;
  readonly goal: (parameters: Parameters) => Goal;
  /** What may be set, and to what it is where it is not. */
  readonly parameters: Parameters;
  /** Of these one has to be above 0, or all hosts would be alike. */
  readonly weights?: readonly string[];
  /** What each of them may be, from 0 on where nothing else is said. */
  readonly ranges?: Readonly<Record<string, readonly [least: number, most: number]>>;
  /** Pairs of which the first may not be above the second. */
  readonly ascending?: readonly (readonly [lower: string, higher: string])[];
  readonly remark?: (score: number, parameters: Parameters) => string | undefined;
  readonly score: (placing: Placing, host: RankedHost, parameters: Parameters) => number;
}

const BUILT_IN = {
  packing: {
    takes: 'the tightest fit',
    goal: () => 'few-hosts',
    parameters: BY_RESERVATIONS,
    score: TERMS.packing,
  },
  striping: { takes: 'the emptiest', goal: () => 'even', parameters: BY_RESERVATIONS, score: TERMS.striping },
  latency: {
    takes: 'the nearest to its service',
    // Evening hosts out would undo what it does.
    goal: () => 'none',
    parameters: { ...USUAL_DISTANCES, ...BY_RESERVATIONS },
    weights: Object.keys(USUAL_DISTANCES),
    // What is further away would be nearer.
    ascending: [['sameZone', 'otherZone']],
    score: (placing, host, distances) =>
      distance(host, distances) +
      (TIE * TERMS.striping(placing, host, distances)) / (host.sameService.inSite + 1),
  },
  weighted: {
    takes: 'the best by weight',
    goal: ({ packing = 0, striping = 0, latency = 0 }) =>
      latency > 0 ? 'none' : packing > striping ? 'few-hosts' : 'even',
    parameters: { striping: 1, packing: 0, latency: 1, ...BY_RESERVATIONS },
    weights: TERM_NAMES,
    score: (placing, host, weights) =>
      TERM_NAMES.reduce((all, name) => all + (weights[name] ?? 0) * TERMS[name](placing, host, weights), 0),
  },
  'power-saving': {
    takes: 'the most frugal',
    goal: () => 'watts',
    parameters: POWER_PARAMETERS,
    ranges: { headroomPercent: [0, 90] },
    ascending: [['idleWatts', 'peakWatts']],
    // Among hosts that draw as much more, the tightest, and of those that sleep the quickest to wake.
    score: (placing, host, set) => wattsScore(placing, host, set) + TIE * TERMS.packing(placing, host, set),
  },
  profit: {
    takes: 'the most profitable',
    goal: () => 'cost',
    parameters: PROFIT_PARAMETERS,
    ranges: { paybackHours: [0.01, 87_600] },
    remark: lossText,
    score: profitScore,
  },
} satisfies Record<string, BuiltIn>;

export type BuiltInName = keyof typeof BUILT_IN;
export const POLICY_NAMES = Object.keys(BUILT_IN) as BuiltInName[];

export const isBuiltIn = (name: string): name is BuiltInName => Object.hasOwn(BUILT_IN, name);

/** What may be set of a built-in policy, with what it is where nobody sets it. */
export const parametersOf = (name: BuiltInName): Parameters => BUILT_IN[name].parameters;

export const weightsOf = (name: BuiltInName): readonly string[] => (BUILT_IN[name] as BuiltIn).weights ?? [];

/** Pairs of parameters of which the first may not be above the second. */
export const ascendingOf = (name: BuiltInName): NonNullable<BuiltIn['ascending']> =>
  (BUILT_IN[name] as BuiltIn).ascending ?? [];

/** What a parameter of it may be, from the least to the most. */
export function rangeOf(name: BuiltInName, parameter: string): readonly [least: number, most: number] {
  const { ranges }: BuiltIn = BUILT_IN[name];
  return ranges?.[parameter] ?? USUAL_RANGES[parameter] ?? [0, Infinity];
}

export const takenBy = (name: BuiltInName): string => BUILT_IN[name].takes;

/** @throws PolicyBroken for a plug-in that is not loaded here */
export function rankingOf({ name, parameters, ranking }: Policy): Ranking {
  if (ranking) return ranking;
  if (!isBuiltIn(name)) throw new PolicyBroken(`the plug-in ${name} is not loaded`);
  const { takes, score, remark, parameters: usual }: BuiltIn = BUILT_IN[name];
  const set = { ...usual, ...parameters };
  return {
    takes,
    ...(remark ? { remark: (of) => remark(of, set) } : {}),
    scores: (placing, hosts) => hosts.map((host) => score(placing, host, set)),
  };
}

/** Does it work towards hosts that may be switched off? */
export const packs = (goal: Goal): boolean => goal === 'few-hosts' || goal === 'watts' || goal === 'cost';

export function goalOf({ name, parameters, plugin }: PolicyData): Goal {
  if (plugin) return plugin.goal;
  if (!isBuiltIn(name)) return 'even';
  const { goal, parameters: usual }: BuiltIn = BUILT_IN[name];
  return goal({ ...usual, ...parameters });
}
