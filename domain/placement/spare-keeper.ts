import type { HostId } from '../ids';
import { SLA_CLASSES } from '../manifest/sla-class';
import { type Capacity, subtract, sum } from '../units';
import type { Unit } from './feasibility';
import type { Constraint, PlacementRequest, Refusal, Snapshot, Spare, SpareVee } from './model';
import { Evacuations } from './online/evacuations';
import { OnlineSite } from './online/online-site';
import type { Resident } from './online/residents';

/**
 * Watches over what a plan puts where: for each host, or each zone, it knows a place for all that would be lost with it, and
 * refuses what takes that away. Mutable, private to one run of a planner.
 */
export class SpareKeeper {
  private readonly spare: Spare;
  private readonly request: PlacementRequest;
  private readonly hosts: ReadonlyMap<HostId, number>;
  private readonly evacuations: Evacuations;
  private readonly site: OnlineSite;

  /** The one that a request wants, if any. */
  static of(snapshot: Snapshot, request: PlacementRequest): SpareKeeper | undefined {
    return snapshot.spare && request.slaClass
      ? new SpareKeeper(snapshot, snapshot.spare, request)
      : undefined;
  }

  private constructor(snapshot: Snapshot, spare: Spare, request: PlacementRequest) {
    this.spare = spare;
    this.request = request;
    this.hosts = new Map(snapshot.hosts.map((h, n) => [h.id, n]));
    // Part of what is reserved is for what comes, or goes: that stays where it is.
    const held = new Map<HostId, Capacity[]>();
    for (const v of spare.vees) held.set(v.hostId, [...(held.get(v.hostId) ?? []), v.need]);
    const others = snapshot.hosts.map((h) => ({
      ...h,
      reserved: atLeastNothing(subtract(h.reserved, sum(held.get(h.id) ?? []))),
    }));
    this.site = new OnlineSite(others, 'tightest', snapshot.apart);
    const at = spare.vees.flatMap((v) => {
      const host = this.hosts.get(v.hostId);
      return host === undefined ? [] : [this.residentOf(v, host)];
    });
    this.evacuations = new Evacuations(this.site, spare.lose, at);
  }

  /** Why a unit may not go to a host; nothing when it may, and then it counts as being there. */
  refusalOf(unit: Unit, hostId: HostId): Refusal | undefined {
    const host = this.hosts.get(hostId);
    if (host === undefined) return undefined;
    const { constraints, slaClass = 'bronze' } = this.request;
    const coming = unit.vees.map((v) => this.residentOf({ ...v, slaClass, constraints }, host));
    const lost = this.evacuations.admit(coming, host);
    return lost === undefined ? undefined : { reason: 'no-spare', lost };
  }

  private residentOf(
    { tenantId, serviceId, component, image, constraints, need, slaClass }: Omit<SpareVee, 'id' | 'hostId'>,
    host: number,
  ): Resident {
    return {
      kind: this.site.kindOf({ tenantId, serviceId, component, image, constraints }),
      shape: this.site.rooms.shapeOf(need),
      service: serviceId,
      unit: unitOf(serviceId, component, constraints),
      counts: SLA_CLASSES.indexOf(slaClass) <= SLA_CLASSES.indexOf(this.spare.least),
      host,
    };
  }
}

/** Alike for those that affinity ties to one host. */
function unitOf(
  serviceId: string,
  component: string,
  constraints: readonly Constraint[],
): string | undefined {
  const tie = constraints.find(
    (c) => c.kind === 'together' && c.level === 'host' && c.components.includes(component),
  );
  return tie && 'components' in tie ? `${serviceId} ${tie.components.join(' ')}` : undefined;
}

const atLeastNothing = (c: Capacity): Capacity => ({
  cpuMillis: Math.max(0, c.cpuMillis),
  memoryMiB: Math.max(0, c.memoryMiB),
  diskMiB: Math.max(0, c.diskMiB),
  bandwidthKbps: Math.max(0, c.bandwidthKbps),
});
