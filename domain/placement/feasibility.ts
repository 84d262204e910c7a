import { economyOf } from '../cost/host-economy';
import { describeZone } from '../host';
import type { HostId, VeeId } from '../ids';
import { hostRuns } from '../images/reference';
import type { SlaClass } from '../manifest/sla-class';
import type { Usage } from '../measured';
import {
  amountOf,
  type Capacity,
  deviceOf,
  devicesOfAll,
  isDevice,
  shortages,
  subtract,
  sum,
} from '../units';
import {
  bound,
  concerns,
  constraintName,
  contradiction,
  describePlace,
  heldAgainst,
  isCounted,
  isOfHost,
  mostTogether,
  placeFor,
  refusalOfAny,
} from './constraints';
import { LicenceDesk } from './licence-desk';
import type {
  Constraint,
  PlacedVee,
  PlacementRequest,
  Rank,
  Refusal,
  RequestedVee,
  Snapshot,
  SnapshotHost,
  Unmet,
} from './model';
import { Neighbours } from './neighbours';
import type { RankedHost } from './policy';
import { inTheWay, type Stay, spanOf } from './promised';
import { ServiceSpread } from './service-spread';
import { keptOn, stayOf } from './stays';
import { hostsClosedTo, promisedPlaces } from './tenancy';

/**
 * VEEs that affinity ties together are placed as one unit: choosing a host by the first of them alone
 * could leave no room there for the rest.
 */
export interface Unit {
  readonly vees: readonly RequestedVee[];
  readonly need: Capacity;
}

export function unitsOf(request: Pick<PlacementRequest, 'vees' | 'constraints'>): Unit[] {
  const units: RequestedVee[][] = [];
  const ties = request.constraints.filter((c) => c.kind === 'together' && c.level === 'host');
  const tying = new Set(ties.flatMap((c) => (c.kind === 'together' ? c.components : [])));
  for (const vee of request.vees) {
    const tied = tying.has(vee.component)
      ? units.filter((u) => u.some((other) => ties.some((c) => bound(c, vee, other))))
      : [];
    const merged = [...tied.flat(), vee];
    for (const t of tied) units.splice(units.indexOf(t), 1);
    units.push(merged);
  }
  return units.map((vees) => ({ vees, need: sum(vees.map((v) => v.need)) }));
}

/** A snapshot with what has been placed on it so far. Mutable, private to one run of a planner. */
export class Board {
  readonly hosts: readonly SnapshotHost[];
  private readonly request: PlacementRequest;
  private readonly arriving: ReadonlySet<VeeId>;
  private readonly pins: ReadonlyMap<Constraint, string>;
  private readonly free: Map<HostId, Capacity>;
  private readonly stay: Stay | undefined;
  /** Of what is free, that which is promised for a time when what is placed is still there. */
  private readonly kept: ReadonlyMap<HostId, Capacity>;
  /** What is placed so far, by the constraint that it may matter to. */
  private readonly neighbours: ReadonlyMap<Constraint, Neighbours>;
  private readonly spread: ServiceSpread;
  /** Absent where nothing of the request takes any. */
  readonly licences: LicenceDesk | undefined;
  private readonly snapshot: Snapshot;
  /** The names of all that the site has; read when something lacks one. */
  private devices: readonly string[] | undefined;
  private closedHosts: ReadonlySet<HostId> | undefined;
  private readonly zoneOf: ReadonlyMap<HostId, string>;
  private readonly zones = new Map<Unit, ReadonlySet<string>>();
  private readonly twins = new Map<Constraint, Map<Unit, string | undefined>>();

  /** @param pins the zone that was chosen for all whom a constraint ties together */
  constructor(
    snapshot: Snapshot,
    request: PlacementRequest,
    pins: ReadonlyMap<Constraint, string> = new Map(),
  ) {
    this.request = request;
    this.pins = pins;
    this.hosts = snapshot.hosts;
    this.snapshot = snapshot;
    this.zoneOf = new Map(snapshot.hosts.map((h) => [h.id, h.zone]));
    this.free = new Map(snapshot.hosts.map((h) => [h.id, subtract(h.capacity, h.reserved)]));
    this.stay = stayOf(snapshot, request);
    this.kept = keptOn(snapshot, this.stay);
    const moving = new Set(request.vees.filter((v) => v.moving).map((v) => v.id));
    const hosts = new Map(snapshot.hosts.map((h) => [h.id, h]));
    const strict = request.handover !== undefined;
    this.spread = new ServiceSpread(snapshot, new Set(request.vees.map((v) => v.id)));
    this.arriving = new Set(request.vees.filter((v) => !v.moving).map((v) => v.id));
    this.licences = LicenceDesk.of(snapshot, request);
    const all = [...request.constraints, ...(request.preferences ?? []).map((p) => p.constraint)];
    this.neighbours = new Map(all.map((c) => [c, new Neighbours(c, moving, hosts, strict)]));
    for (const vee of snapshot.vees)
      for (const [c, near] of this.neighbours) if (heldAgainst(c, vee, request.handover)) near.add(vee);
  }

  /** What may be taken of a host: what is free, and not promised to others while it is held. */
  freeOn(host: SnapshotHost): Capacity {
    const kept = this.kept.get(host.id);
    return kept ? subtract(this.unheldOn(host), kept) : this.unheldOn(host);
  }

  private unheldOn(host: SnapshotHost): Capacity {
    return this.free.get(host.id) ?? subtract(host.capacity, host.reserved);
  }

  put(unit: Unit, hostId: HostId): void {
    const free = this.free.get(hostId);
    if (free) this.free.set(hostId, subtract(free, unit.need));
    this.spread.add(unit.vees, hostId);
    this.licences?.put(unit.vees, hostId);
    for (const { id, tenantId, serviceId, component } of unit.vees)
      for (const near of this.neighbours.values()) near.put({ id, tenantId, serviceId, component, hostId });
  }

  /** Of the service that it is about; absent where nobody has said. */
  get slaClass(): SlaClass | undefined {
    return this.request.earnsAs ?? this.request.slaClass;
  }

  /** How the components of a unit rank hosts themselves; none for most. */
  ranksOf({ vees }: Unit): readonly Rank[] {
    return (this.request.ranks ?? []).filter((r) => vees.some((v) => v.component === r.component));
  }

  /** Hosts as a policy sees them. */
  ranked({ vees }: Unit, hosts: readonly SnapshotHost[]): RankedHost[] {
    const { spread, licences } = this;
    const [first] = vees;
    return hosts.map((host) => {
      const { id, zone, labels, driver, capacity } = host;
      const reserved = subtract(capacity, this.unheldOn(host));
      return {
        ...{ id, zone, labels, driver, capacity, reserved },
        ...(host.measured ? { measured: usedBy(host.measured, subtract(reserved, host.reserved)) } : {}),
        ...economyOf(host),
        ...(licences?.takesMore(vees, id) ? { takesLicence: true as const } : {}),
        // Most policies don't ask.
        get sameService() {
          return first ? spread.of(first.serviceId, host) : { onHost: 0, inZone: 0, inSite: 0 };
        },
      };
    });
  }

  /** How many that a constraint counts are in a host's place and are not to be placed anew. */
  staying(c: Constraint, host: SnapshotHost): number {
    return this.neighbours.get(c)?.countIn(host.id, this.request.vees) ?? 0;
  }

  /** Every reason why a host can't take a unit now; empty when it can. */
  refusals(unit: Unit, host: SnapshotHost): Refusal[] {
    const found: Refusal[] = [...this.standing(unit, host)];
    const licence = found.some((r) => r.reason === 'licence')
      ? undefined
      : this.licences?.refusal(unit.vees, host.id, 'now');
    if (licence) found.push(licence);
    for (const s of shortages(this.freeOn(host), unit.need)) found.push(this.lacking(host, s));
    for (const c of this.request.constraints) {
      const because = this.breach(c, unit, host);
      if (because) found.push({ reason: 'constraint', constraint: constraintName(c), because });
    }
    return found;
  }

  private lacking(host: SnapshotHost, { dimension, need, free }: Shortage): Refusal {
    if (isDevice(dimension)) {
      this.devices ??= devicesOfAll(this.hosts.map((h) => h.capacity));
      const device = deviceOf(dimension);
      if (!this.devices.includes(device)) return { reason: 'no-device', device, there: this.devices };
    }
    const unheld = this.unheldOn(host);
    const put = amountOf(subtract(subtract(host.capacity, host.reserved), unheld), dimension);
    const span = spanOf(this.snapshot.at, this.stay);
    const way = need <= amountOf(unheld, dimension) ? inTheWay(host, span, dimension, need + put) : undefined;
    return way
      ? { reason: 'promised', dimension, need, free, to: way.promised.name, from: way.at }
      : { reason: 'capacity', dimension, need, free };
  }

  /** What is preferred and would not be kept if a unit went there now. */
  unmet(unit: Unit, host: SnapshotHost): Unmet[] {
    return (this.request.preferences ?? []).flatMap(({ constraint: c, weight }): Unmet[] => {
      const refusal = refusalOfAny(c, unit.vees, host);
      const because =
        refusal?.reason === 'constraint' ? refusal.because : (this.breach(c, unit, host) ?? undefined);
      if (because === undefined) return [];
      const weighed = c.kind === 'assignment' && c.reservation !== undefined ? {} : { weight };
      return [{ ...weighed, constraint: constraintName(c), because }];
    });
  }

  /** Reasons that no placement of the other VEEs can change. */
  standing(unit: Unit, host: SnapshotHost): Refusal[] {
    const found: Refusal[] = [];
    if (host.liveness !== 'up') found.push({ reason: 'not-up', liveness: host.liveness });
    if (host.cordoned) found.push({ reason: 'cordoned' });
    if (unit.vees.some((v) => v.moving?.away && v.moving.from === host.id))
      found.push({ reason: 'source-host' });
    if (unit.vees.some((v) => v.moving?.driver !== undefined && v.moving.driver !== host.driver))
      found.push({ reason: 'other-driver', driver: host.driver });
    if (unit.vees.some((v) => v.moving?.to !== undefined && v.moving.to !== host.id))
      found.push({ reason: 'not-asked-for' });
    if (this.closed(unit).has(host.id)) found.push({ reason: 'tenant-apart' });
    const missing = unit.vees.find((v) => !hostRuns(host.images, v.image));
    if (missing) found.push({ reason: 'image-missing', image: missing.image });
    const licence = this.licences?.refusal(unit.vees, host.id, 'before');
    if (licence) found.push(licence);
    for (const c of this.request.constraints) {
      const refusal = refusalOfAny(c, unit.vees, host);
      if (refusal) found.push(refusal);
    }
    return found;
  }

  /** What is not there yet has an id that nobody has seen. */
  private named({ id, component }: PlacedVee): string {
    return this.arriving.has(id) ? `another of this request, ${component},` : `${component} (${id})`;
  }

  private breach(c: Constraint, unit: Unit, host: SnapshotHost): string | undefined {
    if (isOfHost(c)) return undefined;
    const twins = this.twinsOf(c, unit);
    if (twins) return twins;
    const near = this.neighbours.get(c);
    const pin = this.pins.get(c);
    if (pin !== undefined && placeFor(c, host) !== pin && unit.vees.some((v) => concerns(c, v.component)))
      return `others of them are placed in ${describePlace(c, pin)}`;
    if (c.kind === 'spread') return this.askew(c, unit, host);
    const most = mostTogether(c);
    const counted = unit.vees.filter((v) => isCounted(c, v));
    if (most !== undefined && counted.length > 0) {
      const there = near?.countIn(host.id, unit.vees) ?? 0;
      const more = counted.length > 1 ? `, and ${counted.length} more must be together` : '';
      return there + counted.length > most ? `${there} are there${more}` : undefined;
    }
    for (const v of unit.vees) {
      const there = near?.inConflict(v, host.id);
      if (there) return `${this.named(there)} is there`;
      const elsewhere = near?.boundElsewhere(v, host.id);
      if (elsewhere) return `${this.named(elsewhere)} is on ${elsewhere.hostId}`;
    }
    return undefined;
  }

  /** By so many there would be more in this host's zone than in the one that has the fewest. */
  private askew(c: Spread, unit: Unit, host: SnapshotHost): string | undefined {
    const spread = unit.vees.filter((v) => v.component === c.component && v.serviceId === c.serviceId);
    const coming = spread.length;
    const near = this.neighbours.get(c);
    if (coming === 0 || !near) return undefined;
    // Within its zone it changes nothing.
    if (spread.every((v) => v.moving && this.zoneOf.get(v.moving.from) === host.zone)) return undefined;
    const then = near.countAt(host.zone, unit.vees) + coming;
    let fewest = then - coming;
    for (const zone of this.openZones(unit)) fewest = Math.min(fewest, near.countAt(zone, unit.vees));
    // What comes as one can't be spread any better than that.
    if (then - fewest <= Math.max(c.maxSkew, coming)) return undefined;
    return `${describeZone(host.zone)} would have ${then} of them, and another one has ${fewest}`;
  }

  /** A request is of one tenant, as a service is. */
  private closed({ vees: [first] }: Unit): ReadonlySet<HostId> {
    if (!first || !this.snapshot.apart?.has(first.tenantId)) return NONE;
    this.closedHosts ??= hostsClosedTo(first.tenantId, this.snapshot.apart, [
      ...this.snapshot.vees,
      ...promisedPlaces(this.hosts),
    ]);
    return this.closedHosts;
  }

  /** The zones in which some host could take a unit if it had the room. */
  private openZones(unit: Unit): ReadonlySet<string> {
    const known = this.zones.get(unit);
    if (known) return known;
    const open = this.hosts.filter((h) => this.standing(unit, h).length === 0);
    const zones = new Set(open.map((h) => h.zone));
    this.zones.set(unit, zones);
    return zones;
  }

  /** Two of the unit itself that the constraint keeps apart: the same on every host, so it is looked for once. */
  private twinsOf(c: Constraint, unit: Unit): string | undefined {
    const known = this.twins.get(c) ?? new Map<Unit, string | undefined>();
    this.twins.set(c, known);
    if (!known.has(unit)) known.set(unit, contradiction(c, unit.vees));
    return known.get(unit);
  }
}

const usedBy = ({ cpuMillis, memoryMiB }: Usage, more: Capacity): Usage => ({
  cpuMillis: cpuMillis + more.cpuMillis,
  memoryMiB: memoryMiB + more.memoryMiB,
});

const NONE: ReadonlySet<HostId> = new Set();

type Shortage = ReturnType<typeof shortages>[number];
type Spread = Extract<Constraint, { kind: 'spread' }>;
