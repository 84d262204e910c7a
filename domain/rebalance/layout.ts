import { groupBy } from '../group-by';
import { describeZone } from '../host';
import type { HostId, ServiceId } from '../ids';
import { hostRuns } from '../images/reference';
import { goalOf, measuredPartOf } from '../placement/built-in-policies';
import {
  bound,
  concerns,
  conflict,
  constraintName,
  hostRefusal,
  isCounted,
  isOfHost,
  mostTogether,
  placeFor,
} from '../placement/constraints';
import type { Constraint, SnapshotHost } from '../placement/model';
import { type Dimension, dimensionsOfAll, isDevice, nameOf } from '../units';
import type { BalancedVee, BalanceQuestion } from './model';
import { loadOf, type Place, placeOf } from './place';
import { type BalanceUnit, unitsThatMove } from './unit';

/**
 * Who is where on the hosts that take part (those up and open to newcomers), and what that is worth. Mutable, private to
 * one run of the planner: moves are tried on it one after the other, as they will be carried out.
 */
export class Layout {
  readonly units: readonly BalanceUnit[];
  readonly hosts: readonly SnapshotHost[];
  private readonly places: ReadonlyMap<HostId, Place>;
  private readonly where = new Map<BalanceUnit, HostId>();
  /** Also those that do not take part: what is on them counts for its zone. */
  private readonly allHosts: ReadonlyMap<HostId, SnapshotHost>;
  private readonly hostOfVee = new Map<BalancedVee, HostId>();
  private readonly byService: ReadonlyMap<ServiceId, readonly BalancedVee[]>;
  private readonly constraints: ReadonlyMap<ServiceId, readonly Constraint[]>;
  private readonly preferences: ReadonlyMap<ServiceId, readonly Constraint[]>;
  /** Those in which hosts have something, or VEEs need it. */
  readonly dimensions: readonly Dimension[];
  /** The load of the site in each dimension, as a share of its capacity: moves don't change it. */
  readonly mean: readonly number[];

  constructor({
    hosts,
    vees,
    constraints,
    preferences = [],
    policy,
    at,
  }: Pick<BalanceQuestion, 'at' | 'hosts' | 'vees' | 'constraints' | 'preferences' | 'policy'>) {
    const part = measuredPartOf(policy);
    this.hosts = hosts.filter((h) => h.liveness === 'up' && !h.cordoned);
    this.dimensions = dimensionsOfAll([
      ...hosts.flatMap((h) => [h.capacity, h.reserved]),
      ...vees.map((v) => v.need),
    ]);
    this.places = new Map(this.hosts.map((host) => [host.id, placeOf(host, this.dimensions, part, at)]));
    this.allHosts = new Map(hosts.map((h) => [h.id, h]));
    this.constraints = groupBy(constraints, (c) => c.serviceId);
    this.preferences = groupBy(
      preferences.map((p) => p.constraint),
      (c) => c.serviceId,
    );
    for (const vee of vees) this.settle(vee, vee.hostId);
    this.byService = groupBy(vees, (v) => v.serviceId);
    const evens = part > 0 && goalOf(policy) === 'even';
    const isMeasured = (id: HostId) => evens && this.allHosts.get(id)?.measured !== undefined;
    this.units = [...this.byService].flatMap(([serviceId, all]) =>
      unitsThatMove(all, this.constraintsOf(serviceId), this.dimensions, part, isMeasured),
    );
    for (const unit of this.units) this.where.set(unit, unit.vees[0]?.hostId ?? ('' as HostId));
    const places = [...this.places.values()];
    this.mean = this.dimensions.map((_, d) => {
      const total = places.reduce((n, p) => n + (p.capacity[d] ?? 0), 0);
      return total === 0 ? 0 : places.reduce((n, p) => n + (p.load[d] ?? 0), 0) / total;
    });
  }

  hostNamed(id: HostId): SnapshotHost | undefined {
    return this.allHosts.get(id);
  }

  hostOf(unit: BalanceUnit): HostId {
    return this.where.get(unit) ?? ('' as HostId);
  }

  /** How many loads there are: a host has none in what it has nothing of, or in devices. */
  loads(): number {
    const isLoad = this.dimensions.map((d) => !isDevice(d));
    const loadsOf = ({ capacity }: Place) => capacity.filter((of, d) => of > 0 && isLoad[d]).length;
    return [...this.places.values()].reduce((n, p) => n + loadsOf(p), 0);
  }

  /** The sum of the squares by which loads differ from the site's mean, over hosts and dimensions. */
  unevenness(): number {
    return [...this.places.values()].reduce((n, p) => n + this.unevennessOf(p), 0);
  }

  /** By how much `unevenness` falls when a unit goes from where it is to this host. Negative when it rises. */
  gain(unit: BalanceUnit, to: HostId): number {
    const [source, target] = [this.places.get(this.hostOf(unit)), this.places.get(to)];
    if (!source || !target) return 0;
    return this.change(source, unit, -1) + this.change(target, unit, 1);
  }

  /** Can a unit go to this host now, with everybody where they are? The first reason against it. */
  refusal(unit: BalanceUnit, to: HostId): string | undefined {
    if (unit.fixed) return unit.fixed;
    const [source, target] = [this.places.get(this.hostOf(unit)), this.places.get(to)];
    if (!source) return `${this.hostOf(unit)}, where it is, is not up and open`;
    if (!target) return `${to} is not up and open`;
    if (source === target) return `it is on ${to}`;
    const { host } = target;
    if (host.driver !== source.host.driver) return `${to} has another driver`;
    const short = this.dimensions.find(
      (_, i) => (target.used[i] ?? 0) + (unit.needs[i] ?? 0) > (target.limit[i] ?? 0),
    );
    if (short) return `${to} has too little ${nameOf(short)} left`;
    for (const vee of unit.vees) {
      if (!hostRuns(host.images, vee.image)) return `${to} lacks the image ${vee.image}`;
      for (const c of this.constraintsOf(vee.serviceId)) {
        const breach = this.breach(c, unit, vee, source, target);
        if (breach) return breach;
      }
      // What is not kept where it is loses nothing.
      for (const c of this.preferences.get(vee.serviceId) ?? [])
        if (this.breach(c, unit, vee, source, target) && !this.breach(c, unit, vee, target, source))
          return `it would give up what it prefers: ${constraintName(c)}`;
    }
    return undefined;
  }

  /** What of a constraint one of a unit would break on a host. */
  private breach(
    c: Constraint,
    unit: BalanceUnit,
    vee: BalancedVee,
    { host: from }: Place,
    { host: to, residents }: Place,
  ): string | undefined {
    // What is spread over zones is moved within one.
    if (c.kind === 'spread')
      return concerns(c, vee.component) && from.zone !== to.zone
        ? `it is spread over zones, and ${to.id} is in another one`
        : undefined;
    if (hostRefusal(c, vee, to)) return `a constraint keeps it from ${to.id}`;
    if (this.crowded(c, unit, from, to)) return `as many as may be together are on ${to.id}`;
    // Nothing leaves its site by a rebalance.
    if (!isOfHost(c) && c.level === 'site')
      return placeFor(c, from) === placeFor(c, to) ? undefined : `${to.id} is on another site`;
    if (!isOfHost(c) && c.level === 'zone') {
      const other = this.againstZone(c, unit, vee, from, to);
      return other && `${other.component}/${other.index} is in ${describeZone(this.zoneOf(other) ?? '')}`;
    }
    if (c.kind === 'together') {
      const elsewhere = this.byService
        .get(vee.serviceId)
        ?.find((o) => !unit.vees.includes(o) && bound(c, vee, o) && this.hostNow(o)?.id !== to.id);
      return elsewhere && `${elsewhere.component}/${elsewhere.index} is on ${this.hostNow(elsewhere)?.id}`;
    }
    for (const other of residents.get(vee.serviceId) ?? [])
      if (!unit.vees.includes(other as BalancedVee) && conflict(c, vee, other))
        return `${other.component}/${other.index} is on ${to.id}`;
    return undefined;
  }

  /** Are there as many as a constraint allows already where these would go? */
  private crowded(c: Constraint, { vees }: BalanceUnit, from: SnapshotHost, to: SnapshotHost): boolean {
    const most = mostTogether(c);
    const place = placeFor(c, to);
    // Within its place it changes nothing.
    if (most === undefined || placeFor(c, from) === place) return false;
    const coming = vees.filter((v) => isCounted(c, v)).length;
    const there = this.byService.get(c.serviceId)?.filter((v) => {
      const host = this.hostNow(v);
      return isCounted(c, v) && !vees.includes(v) && host !== undefined && placeFor(c, host) === place;
    });
    return coming > 0 && (there?.length ?? 0) + coming > most;
  }

  /** One that a constraint by zone keeps from where this one would go, or keeps it with. */
  private againstZone(
    c: Constraint,
    { vees }: BalanceUnit,
    vee: BalancedVee,
    from: SnapshotHost,
    to: SnapshotHost,
  ): BalancedVee | undefined {
    // Within its zone it changes nothing.
    if (from.zone === to.zone) return undefined;
    return this.byService.get(vee.serviceId)?.find((other) => {
      if (vees.includes(other)) return false;
      if (this.zoneOf(other) === to.zone) return conflict(c, vee, other);
      return bound(c, vee, other);
    });
  }

  private zoneOf(vee: BalancedVee): string | undefined {
    return this.hostNow(vee)?.zone;
  }

  private hostNow(vee: BalancedVee): SnapshotHost | undefined {
    return this.allHosts.get(this.hostOfVee.get(vee) ?? vee.hostId);
  }

  move(unit: BalanceUnit, to: HostId): void {
    const [source, target] = [this.places.get(this.hostOf(unit)), this.places.get(to)];
    for (const [i, need] of unit.needs.entries()) {
      if (source) source.used[i] = (source.used[i] ?? 0) - need;
      if (target) target.used[i] = (target.used[i] ?? 0) + need;
    }
    for (const [i, load] of unit.loads.entries()) {
      if (source) source.load[i] = (source.load[i] ?? 0) - load;
      if (target) target.load[i] = (target.load[i] ?? 0) + load;
    }
    for (const vee of unit.vees) {
      source?.residents.get(vee.serviceId)?.delete(vee);
      this.settle(vee, to);
    }
    this.where.set(unit, to);
  }

  /** The load of a host in the dimension in which it is furthest above the mean. */
  peak(hostId: HostId): { readonly dimension: number; readonly load: number } {
    const place = this.places.get(hostId);
    const loads = this.dimensions.map((_, d) => (place ? loadOf(place, d) : 0));
    const dimension = loads.reduce(
      (best, load, d) =>
        load - (this.mean[d] ?? 0) > (loads[best] ?? 0) - (this.mean[best] ?? 0) ? d : best,
      0,
    );
    return { dimension, load: loads[dimension] ?? 0 };
  }

  loadIn(hostId: HostId, dimension: number): number {
    const place = this.places.get(hostId);
    return place ? loadOf(place, dimension) : 0;
  }

  /** Is nothing there, and nothing reserved? */
  isEmpty(hostId: HostId): boolean {
    return this.places.get(hostId)?.used.every((u) => u <= 0) ?? true;
  }

  /** What is reserved of a host, by dimension, in the order of the layout’s. */
  usedOf(hostId: HostId): readonly number[] {
    return this.places.get(hostId)?.used ?? [];
  }

  /** What it is evened out in, likewise. */
  loadOf(hostId: HostId): readonly number[] {
    return this.places.get(hostId)?.load ?? [];
  }

  /** What that is a share of, likewise: as far as it is measured, what the host has, rather than what it gives out. */
  capacityOf(hostId: HostId): readonly number[] {
    return this.places.get(hostId)?.capacity ?? [];
  }

  /** What may be in use of a host, likewise. */
  limitOf(hostId: HostId): readonly number[] {
    return this.places.get(hostId)?.limit ?? [];
  }

  constraintsOf(serviceId: ServiceId): readonly Constraint[] {
    return this.constraints.get(serviceId) ?? [];
  }

  private settle(vee: BalancedVee, hostId: HostId): void {
    this.hostOfVee.set(vee, hostId);
    const residents = this.places.get(hostId)?.residents;
    const there = residents?.get(vee.serviceId);
    if (there) there.add(vee);
    else residents?.set(vee.serviceId, new Set([vee]));
  }

  private unevennessOf(place: Place): number {
    return this.mean.reduce(
      (n, mean, d) => (place.capacity[d] === 0 ? n : n + (loadOf(place, d) - mean) ** 2),
      0,
    );
  }

  /** By how much a host's unevenness falls when a unit comes (1) or goes (-1). Asked millions of times in a large site. */
  private change({ load, capacity }: Place, { loads }: BalanceUnit, sign: 1 | -1): number {
    let fall = 0;
    for (let d = 0; d < loads.length; d++) {
      const of = capacity[d] ?? 0;
      if (of === 0) continue;
      const off = (load[d] ?? 0) / of - (this.mean[d] ?? 0);
      const by = (sign * (loads[d] ?? 0)) / of;
      fall -= by * (2 * off + by);
    }
    return fall;
  }
}
