import type { HostId } from '../../ids';
import type { Apartness, SnapshotHost } from '../model';
import { BUCKETS, Buckets } from './buckets';
import { Counters } from './counters';
import { type CompiledKind, groupsOf, type HostGroups, KindCompiler, type OnlineKind } from './kinds';
import { Rooms } from './rooms';
import { VeeTable } from './vee-table';

export const NOWHERE = -1;
/** So many hosts that can take it are compared, and so many of a list are looked at, before the next list. */
const COMPARED = 4;
const LOOKED_AT = 12;

/** Which of the hosts that can take a VEE gets it: the fullest (as `packing` takes), or the emptiest (as `striping`). */
export type Takes = 'tightest' | 'emptiest';

/**
 * A site in typed arrays, for thousands of decisions one after the other, in thought: the hosts are kept in lists by how full
 * they are, so that few of ten thousand are looked at for a VEE. Every rule holds that holds in a plan; which host is best
 * is answered nearly rather than exactly, and none is missed where there is one. Mutable; knows nothing of preferences,
 * ranks, and policies other than these two.
 */
export class OnlineSite {
  readonly hosts: readonly SnapshotHost[];
  readonly vees = new VeeTable();
  readonly rooms: Rooms;
  readonly zoneOf: Int32Array;
  readonly zones: number;
  private readonly takes: Takes;
  private readonly groups: HostGroups;
  private readonly compiler: KindCompiler;
  private readonly kinds: CompiledKind[] = [];
  private readonly kindNumbers = new Map<string, number>();
  private readonly open: Uint8Array;
  /** How many of a group are open. */
  private readonly openIn: Int32Array;
  private readonly buckets: Buckets;
  private readonly counters = new Counters();
  /** Of counters whose VEEs have to be together: the host that one of them was put on last. */
  private readonly anchors = new Map<number, number>();
  private readonly zoneAllowed: Uint8Array;

  /** @param hosts with what else holds places on them in `reserved`; those that take nothing now are closed */
  constructor(hosts: readonly SnapshotHost[], takes: Takes, apart?: Apartness) {
    this.hosts = hosts;
    this.takes = takes;
    this.groups = groupsOf(hosts);
    this.zoneOf = this.groups.zoneOf;
    this.zones = this.groups.zones;
    this.compiler = new KindCompiler(hosts, this.groups, apart);
    this.rooms = new Rooms(hosts);
    this.buckets = new Buckets(hosts.length, this.groups.members.length);
    this.open = new Uint8Array(hosts.length);
    this.openIn = new Int32Array(this.groups.members.length);
    this.zoneAllowed = new Uint8Array(this.zones);
    for (const [h, { liveness, cordoned }] of hosts.entries())
      if (liveness === 'up' && !cordoned) this.openHost(h);
  }

  kindOf(kind: OnlineKind): number {
    const name = `${kind.serviceId} ${kind.component} ${kind.image}`;
    const known = this.kindNumbers.get(name);
    if (known !== undefined) return known;
    this.kindNumbers.set(name, this.kinds.length);
    return this.kinds.push(this.compiler.compile(kind)) - 1;
  }

  hostId = (host: number): HostId => (this.hosts[host] as SnapshotHost).id;

  /** Nothing new comes to a host that is closed. */
  closeHost(host: number): void {
    if (this.open[host] === 0) return;
    this.open[host] = 0;
    this.countOpen(host, -1);
    this.buckets.leave(host);
  }

  openHost(host: number): void {
    if (this.open[host] === 1) return;
    this.open[host] = 1;
    this.countOpen(host, 1);
    this.file(host);
  }

  isOpen(host: number): boolean {
    return this.open[host] === 1;
  }

  /** Puts a VEE where it is, whatever stands against that. @returns its number */
  put(kind: number, shape: number, host: number): number {
    this.shift(kind, shape, host, 1);
    return this.vees.add(kind, shape, host);
  }

  /** Finds a place for a VEE and puts it there. @returns its number, or `NOWHERE` when no host can take it */
  place(kind: number, shape: number): number {
    const host = this.find(kind, shape);
    return host === NOWHERE ? NOWHERE : this.put(kind, shape, host);
  }

  take(vee: number): void {
    this.shift(this.vees.kind(vee), this.vees.shape(vee), this.vees.host(vee), -1);
    this.vees.remove(vee);
  }

  /** Could a host take one more of a kind now? */
  canTake(kind: number, shape: number, host: number): boolean {
    const compiled = this.kinds[kind] as CompiledKind;
    const zone = this.zoneOf[host] as number;
    return (
      this.open[host] === 1 &&
      this.rooms.fits(shape, host) &&
      this.mayBeOn(compiled, host) &&
      this.zoneTakes(compiled, zone, this.fewest(compiled)) &&
      this.hostTakes(compiled, host)
    );
  }

  /** The host that gets it, or `NOWHERE` when no host can take it. */
  find(kind: number, shape: number): number {
    const compiled = this.kinds[kind] as CompiledKind;
    const anchored = this.anchorOf(compiled);
    if (anchored !== NOWHERE) return this.canTake(kind, shape, anchored) ? anchored : NOWHERE;
    const restricted = this.restrictZones(compiled);
    const found = this.search(compiled, shape, restricted, LOOKED_AT);
    // Most often it ends there. Where it does not, there may still be one that was passed by.
    return found === NOWHERE ? this.search(compiled, shape, restricted, Number.POSITIVE_INFINITY) : found;
  }

  /**
   * Any host that can take it, looked for from one on: those that ask from elsewhere each spread over the site.
   * @param also what else has to be true of it
   */
  findAny(kind: number, shape: number, from: number, also: (host: number) => boolean = () => true): number {
    const compiled = this.kinds[kind] as CompiledKind;
    const anchored = this.anchorOf(compiled);
    if (anchored !== NOWHERE)
      return this.canTake(kind, shape, anchored) && also(anchored) ? anchored : NOWHERE;
    const restricted = this.restrictZones(compiled);
    const hosts = this.hosts.length;
    for (let n = 0; n < hosts; n++) {
      const host = (from + n) % hosts;
      if (this.open[host] === 0 || !this.rooms.fits(shape, host)) continue;
      if (restricted && this.zoneAllowed[this.zoneOf[host] as number] === 0) continue;
      if (this.mayBeOn(compiled, host) && this.hostTakes(compiled, host) && also(host)) return host;
    }
    return NOWHERE;
  }

  /**
   * What a VEE that comes may be in the way of, by the rules of its kind: nothing, its own service on its host, anybody there,
   * or its own service anywhere and anybody there.
   */
  reachOf(kind: number): 'none' | 'service' | 'tenant' | 'zone' {
    const { counters, enemies, inZone, withInZone, withOnHost, spread } = this.kinds[kind] as CompiledKind;
    if (inZone.length + withInZone.length + withOnHost.length > 0 || spread) return 'zone';
    if (enemies.length > 0) return 'tenant';
    return counters.length > 0 ? 'service' : 'none';
  }

  /** Notes which zones may take one more. @returns whether its rules are about zones at all */
  private restrictZones(kind: CompiledKind): boolean {
    const { inZone, withInZone, spread } = kind;
    if (inZone.length === 0 && withInZone.length === 0 && !spread) return false;
    const fewest = this.fewest(kind);
    for (let z = 0; z < this.zones; z++) this.zoneAllowed[z] = this.zoneTakes(kind, z, fewest) ? 1 : 0;
    return true;
  }

  private search(kind: CompiledKind, shape: number, restricted: boolean, lookedAt: number): number {
    const { buckets, zoneOf } = this;
    const tightest = this.takes === 'tightest';
    const step = tightest ? -1 : 1;
    let best = NOWHERE;
    let bestLoad = 0;
    let compared = 0;
    for (let b = tightest ? this.fullestFor(shape) : 0; b >= 0 && b < BUCKETS; b += step) {
      let left = lookedAt;
      for (let word = 0; word < buckets.words; word++) {
        let bits = buckets.groupsIn(b, word) & (kind.groups[word] as number);
        while (bits !== 0 && left > 0) {
          const lowest = bits & -bits;
          bits ^= lowest;
          let host = buckets.first((word << 5) + 31 - Math.clz32(lowest), b);
          // A group is in one zone.
          if (restricted && this.zoneAllowed[zoneOf[host] as number] === 0) continue;
          for (; host >= 0 && left > 0; host = buckets.next(host)) {
            left--;
            if (!this.rooms.fits(shape, host) || kind.allowed?.[host] === 0 || !this.hostTakes(kind, host))
              continue;
            const load = this.rooms.loadWith(shape, host);
            if (best === NOWHERE || (tightest ? load > bestLoad : load < bestLoad)) {
              best = host;
              bestLoad = load;
            }
            if (++compared >= COMPARED) return best;
          }
        }
      }
      // Those of the next one are less tight, or less empty, all of them.
      if (best !== NOWHERE) return best;
    }
    return NOWHERE;
  }

  /** The fullest bucket whose hosts may have room for it. */
  private fullestFor(shape: number): number {
    const least = this.rooms.leastShareOf(shape);
    return least === undefined ? BUCKETS - 1 : Math.max(0, Math.floor((1 - least) * BUCKETS));
  }

  private mayBeOn({ allowed, groups }: CompiledKind, host: number): boolean {
    if (allowed) return allowed[host] === 1;
    const group = this.groups.groupOf[host] as number;
    return ((groups[group >>> 5] as number) & (1 << (group & 31))) !== 0;
  }

  private hostTakes({ onHost, withOnHost }: CompiledKind, host: number): boolean {
    for (let n = 0; n < onHost.length; n++) {
      const { counter, most } = onHost[n] as CompiledKind['onHost'][number];
      if (this.counters.get(counter, host) > most) return false;
    }
    for (let n = 0; n < withOnHost.length; n++) {
      const counter = withOnHost[n] as number;
      if (this.counters.get(counter, this.anywhere) > 0 && this.counters.get(counter, host) === 0)
        return false;
    }
    return true;
  }

  private zoneTakes({ inZone, withInZone, spread }: CompiledKind, zone: number, fewest: number): boolean {
    const place = this.hosts.length + zone;
    for (const { counter, most } of inZone) if (this.counters.get(counter, place) > most) return false;
    for (const counter of withInZone)
      if (this.counters.get(counter, this.anywhere) > 0 && this.counters.get(counter, place) === 0)
        return false;
    return !spread || this.counters.get(spread.counter, place) + 1 - fewest <= spread.maxSkew;
  }

  /** What is spread: how many are in the zone that has the fewest, of those that it could go to. */
  private fewest(kind: CompiledKind): number {
    let fewest = Number.POSITIVE_INFINITY;
    if (!kind.spread) return fewest;
    for (let z = 0; z < this.zones; z++)
      if (this.isZoneOpen(kind, z))
        fewest = Math.min(fewest, this.counters.get(kind.spread.counter, this.hosts.length + z));
    return fewest;
  }

  /** Is there a host that could take it, but for room and for where the rest of its service is? */
  private isZoneOpen({ groups, allowed, enemies }: CompiledKind, zone: number): boolean {
    const may = (h: number) =>
      this.open[h] === 1 &&
      allowed?.[h] !== 0 &&
      enemies.every((counter) => this.counters.get(counter, h) === 0);
    for (const group of this.groups.inZone[zone] ?? []) {
      const any = (this.openIn[group] as number) > 0;
      if (!any || ((groups[group >>> 5] as number) & (1 << (group & 31))) === 0) continue;
      if ((!allowed && enemies.length === 0) || this.groups.members[group]?.some(may)) return true;
    }
    return false;
  }

  /** The host on which it has to be with others. */
  private anchorOf({ withOnHost }: CompiledKind): number {
    for (const counter of withOnHost) {
      const host = this.anchors.get(counter);
      if (host !== undefined && this.counters.get(counter, host) > 0) return host;
    }
    return NOWHERE;
  }

  /** The place that stands for all of them. */
  private get anywhere(): number {
    return this.hosts.length + this.zones;
  }

  private shift(kind: number, shape: number, host: number, sign: 1 | -1): void {
    const { counters, withOnHost } = this.kinds[kind] as CompiledKind;
    this.rooms.use(shape, host, sign);
    for (let n = 0; n < counters.length; n++) {
      const counter = counters[n] as number;
      this.counters.add(counter, host, sign);
      this.counters.add(counter, this.hosts.length + (this.zoneOf[host] as number), sign);
      this.counters.add(counter, this.anywhere, sign);
    }
    if (sign > 0) for (const counter of withOnHost) this.anchors.set(counter, host);
    if (this.open[host] === 1) this.file(host);
  }

  private countOpen(host: number, by: 1 | -1): void {
    const group = this.groups.groupOf[host] as number;
    this.openIn[group] = (this.openIn[group] as number) + by;
  }

  private file(host: number): void {
    this.buckets.enter(host, this.groups.groupOf[host] as number, this.rooms.loadOf(host));
  }
}
