import type { HostId, VeeId } from '../ids';
import { bound, concerns, conflict } from './constraints';
import type { Constraint, PlacedVee, RequestedVee } from './model';

/**
 * The placed VEEs that one constraint is about, by host. Asking each placed VEE anew for each host and each VEE to
 * come would be cubic: a minute for a thousand of them. Those that move are at their old place until they have left
 * it: constraints hold on the way too.
 */
export class Neighbours {
  private readonly constraint: Constraint;
  private readonly moving: ReadonlySet<VeeId>;
  private readonly byHost = new Map<HostId, PlacedVee[]>();
  private readonly firstToStay = new Map<HostId, PlacedVee>();

  constructor(constraint: Constraint, moving: ReadonlySet<VeeId>) {
    this.constraint = constraint;
    this.moving = moving;
  }

  add(vee: PlacedVee): void {
    if (vee.serviceId !== this.constraint.serviceId || !concerns(this.constraint, vee.component)) return;
    const there = this.byHost.get(vee.hostId);
    if (there) there.push(vee);
    else this.byHost.set(vee.hostId, [vee]);
    if (!this.moving.has(vee.id) && !this.firstToStay.has(vee.hostId)) this.firstToStay.set(vee.hostId, vee);
  }

  /** One on that host which must not share it with `vee`. */
  inConflict(vee: RequestedVee, hostId: HostId): PlacedVee | undefined {
    return this.byHost
      .get(hostId)
      ?.find((other) => other.id !== vee.id && conflict(this.constraint, vee, other));
  }

  /** One on another host which `vee` must share a host with. What moves as well moves along, as one unit. */
  boundElsewhere(vee: RequestedVee, hostId: HostId): PlacedVee | undefined {
    if (this.constraint.kind !== 'together') return undefined;
    // All of them are bound to the same: any one stands for the others of its host.
    for (const [at, other] of this.firstToStay)
      if (at !== hostId && bound(this.constraint, vee, other)) return other;
    return undefined;
  }
}
