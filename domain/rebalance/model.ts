import type { HostId, OperationId, ServiceId, VeeId } from '../ids';
import type { SlaClass } from '../manifest/sla-class';
import type { Usage } from '../measured';
import type { MigrationBudget } from '../migration/estimate';
import type { AlgorithmData, BrokenAlgorithm } from '../placement/algorithms';
import type {
  Apartness,
  Constraint,
  Preference,
  RequestedVee,
  SnapshotHost,
  SpareRule,
} from '../placement/model';
import type { Asked } from '../placement/optimize/solver';
import type { Goal, PolicyData } from '../placement/policy';

/** A VEE that holds a place, as a rebalance sees it. */
export interface BalancedVee extends RequestedVee {
  readonly serviceName: string;
  readonly hostId: HostId;
  readonly stopGraceMillis: number;
  /** What it really uses; absent where that is not measured, or does not matter. */
  readonly used?: Usage;
  /** Of its service; absent where nobody has said. */
  readonly slaClass?: SlaClass;
  /** Why it stays where it is for now; absent when it may move. */
  readonly fixed?: string;
}

/** Everything that a rebalance decides by: the site at one moment. */
export interface BalanceQuestion {
  readonly at: number;
  readonly hosts: readonly SnapshotHost[];
  readonly vees: readonly BalancedVee[];
  readonly constraints: readonly Constraint[];
  /** Nothing is moved against one that is kept where it is, only to better the site. */
  readonly preferences?: readonly Preference[];
  /** Tenants that must not share a host; absent where there are none. */
  readonly apart?: Apartness;
  /** The room that the site keeps for losses, and the services that it is kept for; absent where none is kept. */
  readonly spare?: { readonly lose: SpareRule['lose']; readonly counting: readonly ServiceId[] };
  readonly policy: PolicyData;
  /** Algorithms of others that are asked beside our solvers; absent where there are none. */
  readonly algorithms?: readonly AlgorithmData[];
  readonly budget: MigrationBudget;
  /** No more VEEs than so many are moved by one plan. */
  readonly mostMoves: number;
}

/** VEEs of one service that go from one host to another: one, or several that affinity ties together. */
export interface BalanceMove {
  readonly serviceId: ServiceId;
  readonly veeIds: readonly VeeId[];
  /** As people call them, such as `shop/app/3`. */
  readonly label: string;
  readonly fromHostId: HostId;
  readonly toHostId: HostId;
  readonly because: string;
  /** Set when it is made for nothing but that the host which it leaves is free at last. */
  readonly frees?: true;
  /** Set when it is made for nothing but the room that it leaves to another. */
  readonly makesRoom?: true;
  /** Set when nothing else is to be on the host that it goes to but what is moved there. */
  readonly opens?: true;
  /** Set when it is worth it by itself, as it costs less where it goes. */
  readonly cheaper?: true;
}

/**
 * How good an answer of a search is known to be. Costs are in what the goal counts, as `before` and `after` are: hosts in use,
 * watts, or money an hour. What moves cost is in it.
 */
export interface Optimality {
  readonly cost: number;
  /** No answer costs less. */
  readonly bound: number;
  /** Who found it; absent where nobody found better than what is, and in plans of earlier releases. */
  readonly solver?: string;
  /** All that were asked, and what they found. */
  readonly asked?: readonly Asked[];
  /** Set when the clock has ended one of them: another time the answer may be another. */
  readonly stoppedBy?: 'deadline';
}

/** VEEs that a plan leaves where they are, and why. */
export interface Stay {
  readonly vees: number;
  readonly because: string;
}

export interface BalancePlan {
  /** Absent in plans of a release that knew one goal only, `even`. */
  readonly goal?: Goal;
  /** How far from its goal the site is, before and after: see `distanceOf`. */
  readonly before: number;
  readonly after: number;
  /** Where it was looked for by a search that is bounded. */
  readonly optimality?: Optimality;
  /** Of goals that count something else, how many hosts are in use. */
  readonly hostsInUse?: { readonly before: number; readonly after: number };
  /** Of the goal `cost`: what the moves cost once, and within how many hours they have to save it. */
  readonly payback?: { readonly moves: number; readonly hours: number };
  /** What is not moved, by reason, the most frequent first; absent in plans of earlier releases. */
  readonly avoided?: readonly Stay[];
  /** Algorithms that broke while they were asked. */
  readonly broken?: readonly BrokenAlgorithm[];
  /** How long it was looked for; told by whoever has a clock. */
  readonly tookMillis?: number;
  readonly moves: readonly BalanceMove[];
  /** Indices of `moves`: those of a wave side by side, a later wave after it. */
  readonly waves: readonly (readonly number[])[];
  readonly estimatedMillis: number;
  /** How many VEEs stand still while they are sent. */
  readonly interrupted: number;
  /** Why nothing is to be moved, or what may not be moved now and why. */
  readonly because?: string;
}

/** What an operation does to better a site, as it was decided. */
export interface RebalanceRecord extends BalancePlan {
  readonly id: OperationId;
  readonly createdAt: number;
  readonly mostMoves: number;
}

/** What one run moves unless it is told otherwise: a site is evened out in several small steps rather than turned over. */
export const USUAL_MOVES = 20;
/** More would outgrow what a workflow may carry. */
export const MOST_BALANCE_MOVES = 100;

/**
 * What a rebalance has moved, or has tried to, the next ones leave alone for so long: it would else be sent to and fro, or
 * be tried again and again. One that nobody asked for leaves alone whatever has moved.
 */
export const COOL_DOWN_MILLIS = 3_600_000;

/**
 * What a plan must gain in `unevenness`, or nothing is moved at all: as much as when one VEE of a tenth of a host, in one
 * dimension, leaves a host that is loaded by a fifth more than the one it goes to.
 */
export const LEAST_GAIN = 0.02;

/** Whether a host is in use is worth so many moves of a VEE. */
export const HOST_WORTH = 25;
