import type { HostId } from '../ids';
import { type Capacity, shortages, subtract, sum } from '../units';
import { bound, conflict, constraintName, heldAgainst, hostRefusal } from './constraints';
import type {
  Constraint,
  PlacedVee,
  PlacementRequest,
  Refusal,
  RequestedVee,
  Snapshot,
  SnapshotHost,
} from './model';

/**
 * VEEs that affinity ties together are placed as one unit: choosing a host by the first of them alone
 * could leave no room there for the rest.
 */
export interface Unit {
  readonly vees: readonly RequestedVee[];
  readonly need: Capacity;
}

export function unitsOf(request: PlacementRequest): Unit[] {
  const units: RequestedVee[][] = [];
  for (const vee of request.vees) {
    const tied = units.filter((u) =>
      u.some((other) => request.constraints.some((c) => bound(c, vee, other))),
    );
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
  private readonly free: Map<HostId, Capacity>;
  /** Those that move are at their old place until they have left it: constraints hold on the way too. */
  private readonly placed: PlacedVee[];
  private readonly moving: ReadonlySet<string>;

  constructor(snapshot: Snapshot, request: PlacementRequest) {
    this.request = request;
    this.hosts = snapshot.hosts;
    this.free = new Map(snapshot.hosts.map((h) => [h.id, subtract(h.capacity, h.reserved)]));
    this.placed = [...snapshot.vees];
    this.moving = new Set(request.vees.filter((v) => v.moving).map((v) => v.id));
  }

  freeOn(host: SnapshotHost): Capacity {
    return this.free.get(host.id) ?? subtract(host.capacity, host.reserved);
  }

  put(unit: Unit, hostId: HostId): void {
    const free = this.free.get(hostId);
    if (free) this.free.set(hostId, subtract(free, unit.need));
    for (const { id, tenantId, serviceId, component } of unit.vees)
      this.placed.push({ id, tenantId, serviceId, component, hostId });
  }

  /** Every reason why a host can't take a unit now; empty when it can. */
  refusals(unit: Unit, host: SnapshotHost): Refusal[] {
    const found: Refusal[] = [...this.standing(unit, host)];
    for (const s of shortages(this.freeOn(host), unit.need)) found.push({ reason: 'capacity', ...s });
    for (const c of this.request.constraints) {
      const because = this.breach(c, unit, host);
      if (because) found.push({ reason: 'constraint', constraint: constraintName(c), because });
    }
    return found;
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
    const missing = unit.vees.find((v) => !host.images.includes(v.image));
    if (missing) found.push({ reason: 'image-missing', image: missing.image });
    for (const c of this.request.constraints) {
      for (const v of unit.vees) {
        const refusal = hostRefusal(c, v, host);
        if (refusal) {
          found.push(refusal);
          break;
        }
      }
    }
    return found;
  }

  private breach(c: Constraint, unit: Unit, host: SnapshotHost): string | undefined {
    for (const [i, v] of unit.vees.entries()) {
      const twin = unit.vees.slice(i + 1).find((other) => conflict(c, v, other));
      if (twin)
        return `${v.component}/${v.index} and ${twin.component}/${twin.index} must be apart and together`;
      for (const other of this.placed) {
        if (other.id === v.id) continue;
        if (!heldAgainst(c, other, this.request.handover)) continue;
        if (other.hostId === host.id && conflict(c, v, other))
          return `${other.component} (${other.id}) is there`;
        // Whatever it must be together with moves along, as one unit.
        if (other.hostId !== host.id && !this.moving.has(other.id) && bound(c, v, other))
          return `${other.component} (${other.id}) is on ${other.hostId}`;
      }
    }
    return undefined;
  }
}

/** The largest share of a host's capacity in any dimension: the one that runs out first. */
export function dominantShare(need: Capacity, of: Capacity): number {
  const shares = [
    need.cpuMillis / Math.max(of.cpuMillis, 1),
    need.memoryMiB / Math.max(of.memoryMiB, 1),
    need.diskMiB / Math.max(of.diskMiB, 1),
    need.bandwidthKbps / Math.max(of.bandwidthKbps, 1),
  ];
  return Math.max(...shares);
}
