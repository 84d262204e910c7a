import type { HostEconomy } from '../cost/host-economy';
import type { DriverCapabilities, HostLiveness } from '../host';
import type { BlueprintId, HostId, OperationId, ServiceId, TenantId, VeeId } from '../ids';
import type { SlaClass } from '../manifest/sla-class';
import type { Usage } from '../measured';
import type { Capacity, Dimension } from '../units';
import type { LicenceRefusal, Licences } from './licences';
import type { PolicyData } from './policy';
import type { HostPromises, Stay } from './promised';

/** What a plan sees. Plain data at one instant; a planner never reads anything else. */
export interface Snapshot {
  readonly at: number;
  readonly hosts: readonly SnapshotHost[];
  readonly vees: readonly PlacedVee[];
  /** Tenants that must not share a host; absent where there are none. */
  readonly apart?: Apartness;
  /** Absent where the site has none. */
  readonly licences?: Licences;
  /** Of services that have an end, or use a reservation; absent where none does. */
  readonly stays?: ReadonlyMap<ServiceId, Stay>;
  /** What is to have a place whatever is lost; absent where no room is kept for that, or nobody asks. */
  readonly spare?: Spare;
}

/** What may be lost at any moment, such that everything of at least a class has a place all the same (N+1). */
export interface SpareRule {
  readonly lose: 'host' | 'zone';
  readonly least: SlaClass;
}

/** A VEE as far as it matters for where it could go. */
export interface SpareVee extends PlacedVee {
  readonly image: string;
  readonly need: Capacity;
  readonly slaClass: SlaClass;
  /** Of its service. */
  readonly constraints: readonly Constraint[];
}

export interface Spare extends SpareRule {
  /** All that hold a place. */
  readonly vees: readonly SpareVee[];
}

/** With whom each tenant must not share a host, such as a competitor; both ways. Most have nobody. */
export type Apartness = ReadonlyMap<TenantId, ReadonlySet<TenantId>>;

export interface SnapshotHost extends HostEconomy {
  readonly id: HostId;
  /** Absent where all are of one. */
  readonly site?: string;
  readonly zone: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly liveness: HostLiveness;
  readonly cordoned: boolean;
  readonly driver: string;
  readonly capabilities: DriverCapabilities;
  readonly images: readonly string[];
  readonly capacity: Capacity;
  readonly reserved: Capacity;
  /** What it has where it gives out more (`capacity`); absent where it doesn't. */
  readonly physical?: Usage;
  /** What counts as in use, in shares of its capacity (`countedLoad`); absent where it is not measured. */
  readonly measured?: Usage;
  /** Absent where nothing is promised. */
  readonly promised?: HostPromises;
}

export interface PlacedVee {
  readonly id: VeeId;
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly component: string;
  readonly hostId: HostId;
  /** Of one that is recorded; what is only planned is asked for elsewhere. */
  readonly image?: string;
  readonly need?: Capacity;
}

export interface RequestedVee {
  readonly id: VeeId;
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly component: string;
  readonly index: number;
  readonly need: Capacity;
  readonly image: string;
  /** Names of those that it takes while it holds a place. */
  readonly licences?: readonly string[] | undefined;
  /**
   * Set when it lives already: where, must it go away from there, which driver can take it over, if one must, and to
   * which host and no other it is to go, if one was named.
   */
  readonly moving?: {
    readonly from: HostId;
    readonly away: boolean;
    readonly driver?: string;
    readonly to?: string;
  };
}

/** How near to each other VEEs are when they are together, and no longer apart: on one host, in one zone, or on one site. */
export type Level = 'host' | 'zone' | 'site';

/**
 * A constraint is a declaration, a checker that knows no solver (`constraints.ts`), and an encoding for each kind of search
 * (`exact.ts`, `optimize/rules.ts`). All of these are *continuous*: they hold at every step of a plan, not only at its end. `at(a)` is the host of a, or its
 * zone, by the constraint's level.
 */
export type Constraint =
  /** ∀ a, b ∈ VEEs of `components`: at(a) = at(b) */
  | {
      readonly kind: 'together';
      readonly serviceId: ServiceId;
      readonly level: Level;
      readonly components: readonly string[];
    }
  /** ∀ a, b of different `components`: at(a) ≠ at(b) */
  | {
      readonly kind: 'apart-between';
      readonly serviceId: ServiceId;
      readonly level: Level;
      readonly components: readonly string[];
    }
  /** ∀ p: |{a ∈ VEEs of `component`: at(a) = p}| ≤ `most` */
  | {
      readonly kind: 'apart-within';
      readonly serviceId: ServiceId;
      readonly level: Level;
      readonly component: string;
      readonly most: number;
    }
  /**
   * A VEE of `component` goes to no zone that would then have more than `maxSkew` more of them than the one which has the
   * fewest, of those that it could go to. That is how it is chosen; what becomes of others later breaks nothing.
   */
  | {
      readonly kind: 'spread';
      readonly serviceId: ServiceId;
      readonly level: 'zone';
      readonly component: string;
      readonly maxSkew: number;
    }
  /** ∀ a ∈ VEEs of `component`: `expression` (CEL) is true of host(a) */
  | {
      readonly kind: 'requirement';
      readonly serviceId: ServiceId;
      readonly component: string;
      readonly expression: string;
    }
  /** ∀ a ∈ VEEs of `component`: the driver of host(a) has the capability */
  | {
      readonly kind: 'capable';
      readonly serviceId: ServiceId;
      readonly component: string;
      readonly capability: 'networks' | 'context';
    }
  /** ∀ a ∈ VEEs of `component`: host(a) has the labels, is allowed and not denied */
  | {
      readonly kind: 'assignment';
      readonly serviceId: ServiceId;
      readonly component: string;
      readonly labels: Readonly<Record<string, string>>;
      readonly allowHosts?: readonly string[];
      readonly denyHosts: readonly string[];
      /** Its name, where the hosts are those of its places, and no rule of a manifest. */
      readonly reservation?: string;
    };

/** A constraint that is kept where it can be. Of hosts that can take a VEE those win which leave the least weight unmet. */
export interface Preference {
  readonly constraint: Constraint;
  readonly weight: number;
}

/** How a component puts hosts in order itself, before the policy does: the highest number of `expression` (CEL) is best. */
export interface Rank {
  readonly component: string;
  readonly expression: string;
}

/** Components of which instances belong together (`sets.ts`). */
export interface SetRule {
  readonly name: string;
  readonly components: readonly string[];
}

/** All of `vees` are placed, or none. */
export interface PlacementRequest {
  readonly vees: readonly RequestedVee[];
  readonly constraints: readonly Constraint[];
  readonly preferences?: readonly Preference[];
  readonly ranks?: readonly Rank[];
  /** For plans that may leave some out: what of it is of no use in part. */
  readonly sets?: readonly SetRule[];
  /** Of the service, where what is new must leave the room for losses that the site keeps. */
  readonly slaClass?: SlaClass;
  /** Of the service, for what it earns: also where no room is asked for, as in a migration. */
  readonly earnsAs?: SlaClass;
  /** Breaks ties, in place of the context's: what is asked twice in thought, and then in earnest, gets one answer. */
  readonly seed?: string;
  /** How long it stays and on what reservation, where its service is not recorded yet. */
  readonly stay?: Stay;
  /** Set while one manifest gives way to another. */
  readonly handover?: Handover;
}

/**
 * What is on its way out need not obey what is new: a constraint that only the new manifest has could not hold
 * before the last VEE of the old one is gone. Those that both have are continuous, and hold against all.
 */
export interface Handover {
  readonly leaving: ReadonlySet<VeeId>;
  /** Members of the request's `constraints`. */
  readonly fresh: ReadonlySet<Constraint>;
}

/** Why a host can't take a VEE. A value, so that callers can count, group and translate it. */
export type Refusal =
  | { readonly reason: 'not-up'; readonly liveness: HostLiveness }
  | { readonly reason: 'cordoned' }
  | { readonly reason: 'source-host' }
  | { readonly reason: 'other-driver'; readonly driver: string }
  /** Another host was named for it. */
  | { readonly reason: 'not-asked-for' }
  /** Somebody is there whom its tenant must not share a host with. */
  | { readonly reason: 'tenant-apart' }
  /**
   * If it were there, the loss of that host or zone would leave something without a place that has one without it. Neither is
   * said of a host that was not looked at any more, as so many better ones refuse.
   */
  | { readonly reason: 'no-spare'; readonly lost?: string; readonly stranded?: string }
  | { readonly reason: 'image-missing'; readonly image: string }
  | LicenceRefusal
  /** No host of the site has any by that name; those that there are, by theirs. */
  | { readonly reason: 'no-device'; readonly device: string; readonly there: readonly string[] }
  | {
      readonly reason: 'capacity';
      readonly dimension: Dimension;
      readonly need: number;
      readonly free: number;
    }
  /** There is room, but not beside what is promised to a reservation from then on. */
  | {
      readonly reason: 'promised';
      readonly dimension: Dimension;
      readonly need: number;
      readonly free: number;
      readonly to: string;
      readonly from: number;
    }
  | { readonly reason: 'constraint'; readonly constraint: string; readonly because: string };

export interface HostVerdict {
  readonly hostId: HostId;
  readonly refusals: readonly Refusal[];
  /** Present when the host could take it: lower is better under the policy. */
  readonly score?: number;
  /** Of a component with a rank of its own: higher is better. Absent where it has none for the host. */
  readonly rank?: number;
  /** What is preferred and would not be kept there; absent when all of it would. */
  readonly unmet?: readonly Unmet[];
}

export interface Unmet {
  /** Absent where it is no preference of the manifest, which has a weight: that counts before all others. */
  readonly weight?: number;
  readonly constraint: string;
  readonly because: string;
}

/** Of what a manifest doesn't weigh: as much as it could. */
export const MOST_WEIGHT = 1_000;

export const weightOf = ({ unmet = [] }: HostVerdict): number =>
  unmet.reduce((sum, u) => sum + (u.weight ?? MOST_WEIGHT), 0);

export interface Assignment {
  readonly veeId: VeeId;
  readonly component: string;
  readonly index: number;
  readonly hostId: HostId;
  /** Why this host, in words. */
  readonly because: string;
  /** What the policy has to say of that besides, such as what is lost by it: for operators. */
  readonly remark?: string;
  readonly verdicts: readonly HostVerdict[];
}

/** A placement that was planned and leaves its executor no choice. Immutable. */
export interface Blueprint {
  readonly kind: 'blueprint';
  readonly id: BlueprintId;
  readonly parentId: BlueprintId | null;
  readonly operationId: OperationId;
  readonly createdAt: number;
  readonly policy: PolicyData;
  readonly seed: string;
  readonly algorithm: 'greedy' | 'exact' | 'search' | 'portfolio';
  readonly assignments: readonly Assignment[];
  /** Of a plan that may leave some where they are: those, and why. */
  readonly left?: readonly { readonly veeId: VeeId; readonly because: string }[];
}

/** The other answer of a plan: nothing fits, with the reason of every host for every VEE left over. */
export interface Infeasible {
  readonly kind: 'infeasible';
  /** Was it shown that no placement exists, or did the heuristic only find none? */
  readonly proven: boolean;
  readonly unplaced: readonly {
    readonly veeId: VeeId;
    readonly component: string;
    readonly index: number;
    readonly hosts: readonly HostVerdict[];
  }[];
}

/** Counts what plans have cost so far: how often a host was asked about a unit, and what is set out before that. */
export interface Meter {
  judgements: number;
}

export interface PlanContext {
  /** Asked as one of many: no search where the greedy way finds no room, unless the problem is small. */
  readonly hurried?: boolean;
  /** For whoever asks for many plans, and has to end some time. */
  readonly meter?: Meter;
  readonly now: number;
  readonly seed: string;
  readonly blueprintId: BlueprintId;
  readonly operationId: OperationId;
}
