import { groupBy } from '../../group-by';
import type { ServiceId, TenantId } from '../../ids';
import { hostRuns } from '../../images/reference';
import { concerns, type HostConstraint, hostRefusal, isOfHost } from '../constraints';
import type { Apartness, Constraint, SnapshotHost } from '../model';

/** What VEEs have in common that may be in the same places: a component of a service. */
export interface OnlineKind {
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly component: string;
  readonly image: string;
  /** Of its service; those that are about others only don't matter. */
  readonly constraints: readonly Constraint[];
}

/** At a place there may be no more than `most` that a counter counts before one more comes. */
export interface Test {
  readonly counter: number;
  readonly most: number;
}

/** The rules of a kind, in numbers. */
export interface CompiledKind {
  /** What is counted of each VEE of it, by host and by zone. */
  readonly hostCounters: readonly number[];
  readonly zoneCounters: readonly number[];
  readonly onHost: readonly Test[];
  readonly inZone: readonly Test[];
  /** Counters whose VEEs must all be on one host, or in one zone, with it. */
  readonly withOnHost: readonly number[];
  readonly withInZone: readonly number[];
  /** Of those in `onHost`: of the tenants that its own shares no host with. */
  readonly enemies: readonly number[];
  readonly spread?: { readonly counter: number; readonly maxSkew: number };
  /** A bit for each group with hosts that may take it, whatever else is there. */
  readonly groups: Uint32Array;
  /** By host, of those groups; absent when all of them may. */
  readonly allowed: Uint8Array | undefined;
}

type Places = Pick<CompiledKind, 'groups' | 'allowed'>;

/** Most kinds have none: one empty list for all of them. */
const NONE: readonly never[] = [];
const few = <T>(of: Iterable<T>): readonly T[] => {
  const all = [...of];
  return all.length === 0 ? NONE : all;
};

/** Hosts that are alike in all that a kind may ask of them but for its lists of hosts. */
export interface HostGroups {
  readonly groupOf: Int32Array;
  readonly zoneOf: Int32Array;
  readonly zones: number;
  readonly members: readonly (readonly number[])[];
  /** The groups of each zone: a group is in one. */
  readonly inZone: readonly (readonly number[])[];
}

export function groupsOf(hosts: readonly SnapshotHost[]): HostGroups {
  const zoneNames = [...new Set(hosts.map((h) => h.zone))];
  const numbered = new Map(zoneNames.map((name, n) => [name, n]));
  const likeness = ({ zone, labels, images, driver }: SnapshotHost) =>
    JSON.stringify([zone, Object.entries(labels).sort(), [...images].sort(), driver]);
  const groups = [...groupBy([...hosts.entries()], ([, host]) => likeness(host)).values()];
  const groupOf = new Int32Array(hosts.length);
  const members = groups.map((of) => of.map(([h]) => h));
  for (const [group, of] of members.entries()) for (const h of of) groupOf[h] = group;
  const zoneOf = Int32Array.from(hosts, (h) => numbered.get(h.zone) ?? 0);
  const inZone: number[][] = zoneNames.map(() => []);
  for (const [group, [first = 0]] of members.entries()) inZone[zoneOf[first] as number]?.push(group);
  return { groupOf, zoneOf, zones: zoneNames.length, members, inZone };
}

/** More names than this there are none: two of them fit into one whole number. */
const MOST_NAMES = 2 ** 26;

const WITHOUT_RULES = {
  ...{ hostCounters: NONE, zoneCounters: NONE, onHost: NONE, inZone: NONE, enemies: NONE },
  ...{ withOnHost: NONE, withInZone: NONE },
};

/** Turns the declarations of kinds into numbers, each once. */
export class KindCompiler {
  private readonly hosts: readonly SnapshotHost[];
  private readonly groups: HostGroups;
  private readonly apart: Apartness;
  /** Of what is counted, by its name. */
  private readonly counters = new Map<string, number>();
  /** Of each component of a service. */
  private readonly components = new Map<number, number>();
  private readonly ownCounters: (number | undefined)[] = [];
  private readonly names = new Map<string, number>();
  /** By what is asked of hosts: the kind that has no other rules. */
  private readonly plain = new Map<string, CompiledKind>();
  private counted = 0;

  constructor(hosts: readonly SnapshotHost[], groups: HostGroups, apart: Apartness = new Map()) {
    this.hosts = hosts;
    this.groups = groups;
    this.apart = apart;
  }

  compile(kind: OnlineKind): CompiledKind {
    const { tenantId, serviceId, component } = kind;
    const mine = kind.constraints.filter((c) => c.serviceId === serviceId && concerns(c, component));
    const enemies = [...(this.apart.get(tenantId) ?? [])].map((id) => this.counterOf(`tenant ${id}`));
    const plain = this.plainOf(kind, mine.filter(isOfHost));
    if (enemies.length === 0 && mine.every(isOfHost)) return plain;
    const own = this.ownCounterOf(serviceId, component);
    const tests: { host: Test[]; zone: Test[] } = { host: [], zone: [] };
    const together = { host: new Set<number>(), zone: new Set<number>() };
    let maxSkew = Number.POSITIVE_INFINITY;
    const counters = { host: new Set<number>(), zone: new Set<number>() };
    for (const c of mine) {
      // All of its hosts are of one site: what is to be together there is, and what is to be apart by site is refused before.
      if (isOfHost(c) || c.level === 'site') continue;
      if (c.kind !== 'together') counters[c.level].add(own);
      if (c.kind === 'apart-within') tests[c.level].push({ counter: own, most: c.most - 1 });
      else if (c.kind === 'spread') maxSkew = Math.min(maxSkew, c.maxSkew);
      else if (c.kind === 'apart-between')
        for (const other of c.components.filter((name) => name !== component))
          tests[c.level].push({ counter: this.ownCounterOf(serviceId, other), most: 0 });
      else {
        const all = this.counterOf(`${serviceId} ${c.level} ${[...c.components].sort().join(' ')}`);
        counters[c.level].add(all);
        together[c.level].add(all);
      }
    }
    if (enemies.length > 0) counters.host.add(this.counterOf(`tenant ${tenantId}`));
    for (const counter of enemies) tests.host.push({ counter, most: 0 });
    return {
      ...{ hostCounters: few(counters.host), zoneCounters: few(counters.zone), enemies: few(enemies) },
      ...{ onHost: few(tests.host), inZone: few(tests.zone) },
      ...{ withOnHost: few(together.host), withInZone: few(together.zone) },
      ...(maxSkew < Number.POSITIVE_INFINITY ? { spread: { counter: own, maxSkew } } : {}),
      ...{ groups: plain.groups, allowed: plain.allowed },
    };
  }

  /** A kind as a number: there may be tens of thousands, and names of their own would take more than all else. */
  keyOf({ serviceId, component, image }: OnlineKind): number {
    return this.componentOf(serviceId, component) * MOST_NAMES + this.nameOf(image);
  }

  private componentOf(serviceId: string, component: string): number {
    const key = this.nameOf(serviceId) * MOST_NAMES + this.nameOf(component);
    const known = this.components.get(key);
    if (known !== undefined) return known;
    this.components.set(key, this.components.size);
    return this.components.size - 1;
  }

  private nameOf(name: string): number {
    const known = this.names.get(name);
    if (known !== undefined) return known;
    this.names.set(name, this.names.size);
    return this.names.size - 1;
  }

  /** Kinds that ask the same of hosts share the answer. */
  private plainOf(kind: OnlineKind, ofHost: readonly HostConstraint[]): CompiledKind {
    // Whose it is does not matter; a label may well be called like that.
    const asked = ofHost.map(({ serviceId: _, component: __, ...rule }) => rule);
    const name = JSON.stringify([kind.image, asked]);
    const known = this.plain.get(name);
    if (known) return known;
    const found = { ...WITHOUT_RULES, ...this.findPlaces(kind, ofHost) };
    this.plain.set(name, found);
    return found;
  }

  private findPlaces({ serviceId, component, image }: OnlineKind, ofHost: readonly Constraint[]): Places {
    const vee = { serviceId, component };
    const may = (h: number) => {
      const host = this.hosts[h] as SnapshotHost;
      return hostRuns(host.images, image) && !ofHost.some((c) => hostRefusal(c, vee, host) !== undefined);
    };
    const open = this.groups.members.map((members) =>
      ofHost.length === 0 ? (may(members[0] as number) ? members : []) : members.filter(may),
    );
    const partial = open.some((of, g) => of.length > 0 && of.length < (this.groups.members[g]?.length ?? 0));
    const allowed = partial ? new Uint8Array(this.hosts.length) : undefined;
    if (allowed) for (const h of open.flat()) allowed[h] = 1;
    const groups = new Uint32Array((open.length + 31) >>> 5);
    for (const [g, of] of open.entries())
      if (of.length > 0) groups[g >>> 5] = (groups[g >>> 5] as number) | (1 << (g & 31));
    return { groups, allowed };
  }

  private counterOf(name: string): number {
    const known = this.counters.get(name);
    if (known !== undefined) return known;
    this.counters.set(name, this.counted);
    return this.counted++;
  }

  private ownCounterOf(serviceId: ServiceId, component: string): number {
    const of = this.componentOf(serviceId, component);
    const counter = this.ownCounters[of] ?? this.counted++;
    this.ownCounters[of] = counter;
    return counter;
  }
}
