import type { Capacity, Dimension } from '../../units';
import type { Apartness, SnapshotHost } from '../model';
import { BUCKETS, Buckets } from './buckets';
import { type CompiledKind, groupsOf, type HostGroups, KindCompiler, type OnlineKind } from './kinds';
import { OwnPromises } from './own-promises';
import { Rooms } from './rooms';
import { NOWHERE, RuleCounts } from './rule-counts';
import { VeeTable } from './vee-table';

/** So many hosts that can take it are compared, and so many of a list are looked at, before the next list. */
const COMPARED = 4;
const LOOKED_AT = 12;

export interface Member {
  readonly kind: number;
  readonly shape: number;
}

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
  readonly own = new OwnPromises();
  readonly zoneOf: Int32Array;
  readonly zones: number;
  private readonly takes: Takes;
  private readonly groups: HostGroups;
  private readonly compiler: KindCompiler;
  private readonly kinds: CompiledKind[] = [];
  private readonly kindNumbers = new Map<number, number>();
  private readonly open: Uint8Array;
  /** How many of a group are open. */
  private readonly openIn: Int32Array;
  private readonly buckets: Buckets;
  private readonly counts: RuleCounts;
  private readonly zoneAllowed: Uint8Array;

  /** @param hosts with what else holds places on them in `reserved`; those that take nothing now are closed */
  constructor(
    hosts: readonly SnapshotHost[],
    takes: Takes,
    apart?: Apartness,
    dimensions?: readonly Dimension[],
  ) {
    this.hosts = hosts;
    this.takes = takes;
    this.groups = groupsOf(hosts);
    this.zoneOf = this.groups.zoneOf;
    this.zones = this.groups.zones;
    this.compiler = new KindCompiler(hosts, this.groups, apart);
    this.rooms = new Rooms(hosts, dimensions);
    this.counts = new RuleCounts(this.zoneOf, this.zones);
    this.buckets = new Buckets(hosts.length, this.groups.members.length);
    this.open = new Uint8Array(hosts.length);
    this.openIn = new Int32Array(this.groups.members.length);
    this.zoneAllowed = new Uint8Array(this.zones);
    for (const [h, { liveness, cordoned }] of hosts.entries())
      if (liveness === 'up' && !cordoned) this.openHost(h);
  }

  kindOf(kind: OnlineKind): number {
    const key = this.compiler.keyOf(kind);
    const known = this.kindNumbers.get(key);
    if (known !== undefined) return known;
    this.kindNumbers.set(key, this.kinds.length);
    return this.kinds.push(this.compiler.compile(kind)) - 1;
  }

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

  /** Gives a host room that was kept for somebody, or takes it. */
  readonly grant = (amount: Capacity, host: number, times: 1 | -1): void => {
    this.rooms.grant(amount, host, times);
    if (this.open[host] === 1) this.file(host);
  };

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
      this.counts.zoneTakes(compiled, zone, this.fewest(compiled)) &&
      this.counts.hostTakes(compiled, host)
    );
  }

  /** Could a host take these, which go to one host together? */
  canTakeAll(members: readonly Member[], host: number): boolean {
    const [only] = members;
    if (only && members.length === 1) return this.canTake(only.kind, only.shape, host);
    const kinds = members.map((m) => this.kinds[m.kind] as CompiledKind);
    const fitting = this.rooms.fitTogether(
      members.map((m) => m.shape),
      host,
    );
    if (this.open[host] === 0 || !fitting || !kinds.every((kind) => this.mayBeOn(kind, host))) return false;
    const zone = this.zoneOf[host] as number;
    for (const kind of new Set(kinds)) {
      if (!kind.spread) continue;
      // What comes as one can't be spread any better than that.
      const coming = kinds.filter((k) => k === kind).length;
      const then = this.counts.inZone(kind.spread.counter, zone) + coming;
      if (then - this.fewest(kind) > Math.max(kind.spread.maxSkew, coming)) return false;
    }
    for (const kind of kinds) this.counts.add(kind, host, 1);
    const allowed = this.counts.areAllowed(kinds, host);
    for (const kind of kinds) this.counts.add(kind, host, -1);
    return allowed;
  }

  /** Any host that can take these together, looked for from one on. */
  findForAll(members: readonly Member[], from: number): number {
    const hosts = this.hosts.length;
    for (let n = 0; n < hosts; n++)
      if (this.canTakeAll(members, (from + n) % hosts)) return (from + n) % hosts;
    return NOWHERE;
  }

  /** The host that gets it, or `NOWHERE` when no host can take it. */
  find(kind: number, shape: number): number {
    const compiled = this.kinds[kind] as CompiledKind;
    const anchored = this.counts.anchorOf(compiled);
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
    const anchored = this.counts.anchorOf(compiled);
    if (anchored !== NOWHERE)
      return this.canTake(kind, shape, anchored) && also(anchored) ? anchored : NOWHERE;
    const restricted = this.restrictZones(compiled);
    const hosts = this.hosts.length;
    for (let n = 0; n < hosts; n++) {
      const host = (from + n) % hosts;
      if (this.open[host] === 0 || !this.rooms.fits(shape, host)) continue;
      if (restricted && this.zoneAllowed[this.zoneOf[host] as number] === 0) continue;
      if (this.mayBeOn(compiled, host) && this.counts.hostTakes(compiled, host) && also(host)) return host;
    }
    return NOWHERE;
  }

  /**
   * What a VEE that comes may be in the way of, by the rules of its kind: nothing, its own service on its host, anybody there,
   * or its own service anywhere and anybody there.
   */
  reachOf(kind: number): 'none' | 'service' | 'tenant' | 'zone' {
    const { hostCounters, enemies, inZone, withInZone, withOnHost, spread } = this.kinds[
      kind
    ] as CompiledKind;
    if (inZone.length + withInZone.length + withOnHost.length > 0 || spread) return 'zone';
    if (enemies.length > 0) return 'tenant';
    return hostCounters.length > 0 ? 'service' : 'none';
  }

  /** Notes which zones may take one more. @returns whether its rules are about zones at all */
  private restrictZones(kind: CompiledKind): boolean {
    const { inZone, withInZone, spread } = kind;
    if (inZone.length === 0 && withInZone.length === 0 && !spread) return false;
    const fewest = this.fewest(kind);
    for (let z = 0; z < this.zones; z++) this.zoneAllowed[z] = this.counts.zoneTakes(kind, z, fewest) ? 1 : 0;
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
            if (
              !this.rooms.fits(shape, host) ||
              kind.allowed?.[host] === 0 ||
              !this.counts.hostTakes(kind, host)
            )
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
    // Of what it needs nothing a host may have nothing left.
    return least === 0 ? BUCKETS - 1 : Math.max(0, Math.floor((1 - least) * BUCKETS));
  }

  private mayBeOn({ allowed, groups }: CompiledKind, host: number): boolean {
    if (allowed) return allowed[host] === 1;
    const group = this.groups.groupOf[host] as number;
    return ((groups[group >>> 5] as number) & (1 << (group & 31))) !== 0;
  }

  /** What is spread: how many are in the zone that has the fewest, of those that it could go to. */
  private fewest(kind: CompiledKind): number {
    let fewest = Number.POSITIVE_INFINITY;
    if (!kind.spread) return fewest;
    for (let z = 0; z < this.zones; z++)
      if (this.isZoneOpen(kind, z)) fewest = Math.min(fewest, this.counts.inZone(kind.spread.counter, z));
    return fewest;
  }

  /** Is there a host that could take it, but for room and for where the rest of its service is? */
  private isZoneOpen({ groups, allowed, enemies }: CompiledKind, zone: number): boolean {
    const may = (h: number) =>
      this.open[h] === 1 &&
      allowed?.[h] !== 0 &&
      enemies.every((counter) => this.counts.onHost(counter, h) === 0);
    for (const group of this.groups.inZone[zone] ?? []) {
      const any = (this.openIn[group] as number) > 0;
      if (!any || ((groups[group >>> 5] as number) & (1 << (group & 31))) === 0) continue;
      if ((!allowed && enemies.length === 0) || this.groups.members[group]?.some(may)) return true;
    }
    return false;
  }

  private shift(kind: number, shape: number, host: number, sign: 1 | -1): void {
    this.rooms.use(shape, host, sign);
    this.counts.add(this.kinds[kind] as CompiledKind, host, sign);
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
