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
  private readonly strict: boolean;
  /** One that moves within its place is there once. */
  private readonly byPlace = new Map<string, Map<VeeId, PlacedVee>>();
  /** Those that others have to be with, by place; those on lost hosts apart, which bind only where there are no others. */
  private readonly binding = new Map<string, Map<VeeId, PlacedVee>>();
  private readonly bindingFromLost = new Map<string, Map<VeeId, PlacedVee>>();

  /** @param strict what is apart already may not be joined anywhere */
  constructor(
    constraint: Constraint,
    moving: ReadonlySet<VeeId>,
    hosts: ReadonlyMap<HostId, SnapshotHost>,
    strict: boolean,
  ) {
    this.constraint = constraint;
    this.moving = moving;
    this.hosts = hosts;
    this.strict = strict;
  }

  /** One that is there already. What moves binds nobody to where it was: all that are tied may go, if they go together. */
  add(vee: PlacedVee): void {
    if (!this.isAbout(vee)) return;
    this.enter(this.byPlace, vee);
    if (this.moving.has(vee.id)) return;
    const binds = bindsFrom(this.constraint, this.hosts.get(vee.hostId));
    this.enter(binds ? this.binding : this.bindingFromLost, vee);
  }

  /** One that gets a place there, which those that are tied to it follow. */
  put(vee: PlacedVee): void {
    if (!this.isAbout(vee)) return;
    // How they are spread is a matter of where all of them are in the end.
    if (this.constraint.kind === 'spread') for (const there of this.byPlace.values()) there.delete(vee.id);
    this.enter(this.byPlace, vee);
    this.enter(this.binding, vee);
  }

  /** One in that host's place which must not share it with `vee`. */
  inConflict(vee: RequestedVee, hostId: HostId): PlacedVee | undefined {
    for (const other of this.byPlace.get(this.placeOf(hostId))?.values() ?? [])
      if (other.id !== vee.id && conflict(this.constraint, vee, other)) return other;
    return undefined;
  }

  /** How many are in that host's place, but for these. */
  countIn(hostId: HostId, but: readonly Pick<PlacedVee, 'id'>[]): number {
    return this.countAt(this.placeOf(hostId), but);
  }

  /** How many are in a place, but for these. */
  countAt(place: string, but: readonly Pick<PlacedVee, 'id'>[]): number {
    const there = this.byPlace.get(place);
    return there ? there.size - but.filter(({ id }) => there.has(id)).length : 0;
  }

  /**
   * One in another place which `vee` must share one with. What is lost itself may go anywhere when all others are lost,
   * too; anything else stays with them, as they may come back. Those that are apart already, as when a host that was lost
   * has come back, are joined where most of them are: so they come together again, and nothing is stuck. Not while one
   * manifest gives way to another: where most of them are then changes from wave to wave.
   */
  boundElsewhere(vee: RequestedVee, hostId: HostId): PlacedVee | undefined {
    if (this.constraint.kind !== 'together') return undefined;
    const to = this.placeOf(hostId);
    const { any, other } = this.anchorOf(vee, this.binding, to);
    if (any || (vee.moving && this.hosts.get(vee.moving.from)?.liveness === 'lost')) return other;
    return this.anchorOf(vee, this.bindingFromLost, to).other;
  }

  /** @returns whether there are any that bind it, and one of them in another place if it may not be in this one */
  private anchorOf(
    vee: RequestedVee,
    binding: ReadonlyMap<string, ReadonlyMap<VeeId, PlacedVee>>,
    to: string,
  ): { readonly any: boolean; readonly other?: PlacedVee } {
    let anchor: { place: string; count: number; other: PlacedVee } | undefined;
    for (const [place, there] of binding) {
      const other = firstBut(there, vee.id);
      if (!other || !bound(this.constraint, vee, other)) continue;
      if (this.strict && place !== to) return { any: true, other };
      const count = there.size - (there.has(vee.id) ? 1 : 0);
      if (!anchor || count > anchor.count || (count === anchor.count && place < anchor.place))
        anchor = { place, count, other };
    }
    if (!anchor) return { any: false };
    return anchor.place === to ? { any: true } : { any: true, other: anchor.other };
  }

  private isAbout({ serviceId, component }: PlacedVee): boolean {
    return serviceId === this.constraint.serviceId && concerns(this.constraint, component);
  }

  private enter(map: Map<string, Map<VeeId, PlacedVee>>, vee: PlacedVee): void {
    const place = this.placeOf(vee.hostId);
    const there = map.get(place);
    if (there) there.set(vee.id, vee);
    else map.set(place, new Map([[vee.id, vee]]));
  }

  private placeOf(hostId: HostId): string {
    return placeFor(this.constraint, this.hosts.get(hostId) ?? { id: hostId, zone: hostId });
  }
}

/** All of them are bound alike: any one stands for the others of its place. */
function firstBut(there: ReadonlyMap<VeeId, PlacedVee>, id: VeeId): PlacedVee | undefined {
  for (const other of there.values()) if (other.id !== id) return other;
  return undefined;
}
