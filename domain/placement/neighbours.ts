import type { HostId, VeeId } from '../ids';
import { bindsFrom, bound, concerns, conflict, placeFor } from './constraints';
import type { Constraint, PlacedVee, RequestedVee, SnapshotHost } from './model';

/**
 * The placed VEEs that one constraint is about, by place: host or zone. Asking each placed VEE anew for each host and each
 * VEE to come would be cubic: a minute for a thousand of them. Those that move are at their old place until they have left
 * it: constraints hold on the way too.
 */
export class Neighbours {
  private readonly constraint: Constraint;
  private readonly moving: ReadonlySet<VeeId>;
  private readonly hosts: ReadonlyMap<HostId, SnapshotHost>;
  private readonly byPlace = new Map<string, PlacedVee[]>();
  private readonly firstToBind = new Map<string, PlacedVee>();

  constructor(constraint: Constraint, moving: ReadonlySet<VeeId>, hosts: ReadonlyMap<HostId, SnapshotHost>) {
    this.constraint = constraint;
    this.moving = moving;
    this.hosts = hosts;
  }

  add(vee: PlacedVee): void {
    if (vee.serviceId !== this.constraint.serviceId || !concerns(this.constraint, vee.component)) return;
    const place = this.placeOf(vee.hostId);
    const there = this.byPlace.get(place);
    if (there) there.push(vee);
    else this.byPlace.set(place, [vee]);
    if (this.binds(vee) && !this.firstToBind.has(place)) this.firstToBind.set(place, vee);
  }

  /** One in that host's place which must not share it with `vee`. */
  inConflict(vee: RequestedVee, hostId: HostId): PlacedVee | undefined {
    return this.byPlace
      .get(this.placeOf(hostId))
      ?.find((other) => other.id !== vee.id && conflict(this.constraint, vee, other));
  }

  /** How many are in that host's place, but for these. */
  countIn(hostId: HostId, but: readonly Pick<PlacedVee, 'id'>[]): number {
    const there = this.byPlace.get(this.placeOf(hostId)) ?? [];
    return there.filter((one) => !but.some((b) => b.id === one.id)).length;
  }

  /** One in another place which `vee` must share one with. */
  boundElsewhere(vee: RequestedVee, hostId: HostId): PlacedVee | undefined {
    if (this.constraint.kind !== 'together') return undefined;
    const to = this.placeOf(hostId);
    // All of them are bound to the same: any one stands for the others of its place.
    for (const [place, first] of this.firstToBind) {
      if (place === to) continue;
      const other =
        first.id === vee.id
          ? this.byPlace.get(place)?.find((one) => one.id !== vee.id && this.binds(one))
          : first;
      if (other && bound(this.constraint, vee, other)) return other;
    }
    return undefined;
  }

  /** What is tied to one host moves along, as one unit. What is tied to a zone moves alone, and stays in it. */
  private binds({ id, hostId }: PlacedVee): boolean {
    const byZone = this.constraint.kind === 'together' && this.constraint.level === 'zone';
    return byZone ? bindsFrom(this.constraint, this.hosts.get(hostId)) : !this.moving.has(id);
  }

  private placeOf(hostId: HostId): string {
    return placeFor(this.constraint, this.hosts.get(hostId) ?? { id: hostId, zone: hostId });
  }
}
