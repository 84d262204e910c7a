import type { HostEconomy } from '../cost/host-economy';
import type { HostId, OperationId, ServiceId, TenantId } from '../ids';
import type { SlaClass } from '../manifest/sla-class';
import type { Usage } from '../measured';
import type { Capacity } from '../units';

/**
 * What a site is bettered in, by its policy: how evenly hosts are loaded, how few of them are in use, what they draw, what
 * they cost, or nothing.
 */
export const GOALS = ['even', 'few-hosts', 'watts', 'cost', 'none'] as const;
export type Goal = (typeof GOALS)[number];
/** Those that ask for no parameters: what a plug-in may name. */
export const PLUGIN_GOALS = ['even', 'few-hosts', 'none'] as const;

/** A policy as it is set, and kept with each decision that was made by it: data. */
export interface PolicyData {
  /** Of one that is built in, or of a plug-in. */
  readonly name: string;
  /** What it knows as numbers to set. */
  readonly parameters?: Parameters;
  /** Absent for one that is built in. */
  readonly plugin?: PolicyPlugin;
}

export const MOST_PARAMETERS = 50;

export type Parameters = Readonly<Record<string, number>>;

/** What a plug-in said of itself when it was set. */
export interface PolicyPlugin {
  /** Of its file: another one is another policy. */
  readonly sha256: string;
  readonly takes: string;
  readonly goal: Goal;
}

/** By what a site chooses among the hosts that can take a VEE. */
export interface Policy extends PolicyData {
  /** Of a plug-in that is loaded in this process. No part of the data. */
  readonly ranking?: Ranking;
}

/** How a policy puts hosts in order. It never sees one that can't take what is to be placed: rules are not its matter. */
export interface Ranking {
  /** Which host comes first, in words: `the emptiest`. */
  readonly takes: string;
  /** What is to be said of a host that was chosen with such a score. */
  readonly remark?: (score: number) => string | undefined;
  /**
   * @returns one number for each of `hosts`, in their order: lower is better
   * @throws PolicyBroken
   */
  readonly scores: (placing: Placing, hosts: readonly RankedHost[]) => readonly number[];
}

/** What is to be placed: one VEE, or several that go to one host together. */
export interface Placing {
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly component: string;
  readonly image: string;
  /** Of the service; absent where nobody has said. */
  readonly slaClass?: SlaClass;
  readonly vees: number;
  /** Of all of them. */
  readonly need: Capacity;
}

/** A host that can take it. */
export interface RankedHost extends HostEconomy {
  readonly id: HostId;
  readonly zone: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly driver: string;
  readonly capacity: Capacity;
  /** Before anything new is there. */
  readonly reserved: Capacity;
  /** What counts as in use (`countedLoad`), and what this plan has put there, as if it used all it asks for; absent where it is not measured. */
  readonly measured?: Usage;
  /** It would take a licence by host that it has not taken yet. */
  readonly takesLicence?: true;
  /** How many other VEEs of the service are on it, in its zone (itself included), in its site, and on other sites. */
  readonly sameService: {
    readonly onHost: number;
    readonly inZone: number;
    readonly inSite: number;
    /** Absent where there are none. */
    readonly elsewhere?: number;
  };
}

/** The policy that somebody has set for a site while it runs, in place of the one that it began with. */
export interface PolicySetting {
  /** Absent when it was given up for the one that the site begins with. */
  readonly policy?: PolicyData;
  /** Of the request, which may be repeated. */
  readonly requestedAs: OperationId;
  readonly since: number;
  readonly setBy: string;
  /** Set when the site gave it up by itself: a plug-in that broke, and how. */
  readonly switchedOut?: SwitchedOut;
}

export interface SwitchedOut {
  readonly name: string;
  readonly because: string;
  /** Set once an event has told it. */
  readonly told?: true;
}

/** By what a site decides now. */
export interface PlacementPolicies {
  /** As data: for what makes no decision by it. */
  readonly inForce: () => Promise<PolicyData>;
  /**
   * Makes a decision by the policy in force. Where that is a plug-in which breaks it is switched out, and the decision is made
   * anew by the policy in the site's settings: so `decision` may be called twice, and has to leave nothing behind.
   */
  readonly decide: <T>(decision: (policy: Policy) => T | Promise<T>) => Promise<T>;
  /** The same for a question that changes nothing: it is answered in that way, and switches nothing out. */
  readonly ask: <T>(question: (policy: Policy) => T | Promise<T>) => Promise<T>;
}

/** A plug-in threw, took too long, took too much memory, answered with what is no score, or is not what was set. */
export class PolicyBroken extends Error {
  override readonly name = 'PolicyBroken';
}

/** By its name, as one that was thrown in another thread has lost its class. */
export const isPolicyBroken = (error: unknown): error is Error =>
  error instanceof Error && error.name === 'PolicyBroken';

/** @returns what of it may be stored, or sent to another thread */
export function policyData({ name, parameters, plugin }: Policy): PolicyData {
  return { name, ...(parameters ? { parameters } : {}), ...(plugin ? { plugin } : {}) };
}
