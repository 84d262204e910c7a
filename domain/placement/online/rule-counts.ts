import { Counters } from './counters';
import type { CompiledKind } from './kinds';

export const NOWHERE = -1;

/** How many of what is where, as far as rules ask for it, and what they say to one more. */
export class RuleCounts {
  private readonly zoneOf: Int32Array;
  private readonly hosts: number;
  /** The place that stands for all of them. */
  private readonly anywhere: number;
  private readonly counters = new Counters();
  /** Of counters whose VEEs have to be on one host: that which one of them was put on last. */
  private readonly anchors = new Map<number, number>();

  constructor(zoneOf: Int32Array, zones: number) {
    this.zoneOf = zoneOf;
    this.hosts = zoneOf.length;
    this.anywhere = zoneOf.length + zones;
  }

  add({ hostCounters, zoneCounters, withOnHost, withInZone }: CompiledKind, host: number, by: 1 | -1): void {
    for (let n = 0; n < hostCounters.length; n++) this.counters.add(hostCounters[n] as number, host, by);
    const zone = this.hosts + (this.zoneOf[host] as number);
    for (let n = 0; n < zoneCounters.length; n++) this.counters.add(zoneCounters[n] as number, zone, by);
    for (let n = 0; n < withInZone.length; n++) this.counters.add(withInZone[n] as number, this.anywhere, by);
    for (let n = 0; n < withOnHost.length; n++) {
      this.counters.add(withOnHost[n] as number, this.anywhere, by);
      if (by > 0) this.anchors.set(withOnHost[n] as number, host);
    }
  }

  onHost(counter: number, host: number): number {
    return this.counters.get(counter, host);
  }

  inZone(counter: number, zone: number): number {
    return this.counters.get(counter, this.hosts + zone);
  }

  hostTakes({ onHost, withOnHost }: CompiledKind, host: number): boolean {
    for (let n = 0; n < onHost.length; n++) {
      const { counter, most } = onHost[n] as CompiledKind['onHost'][number];
      if (this.counters.get(counter, host) > most) return false;
    }
    for (let n = 0; n < withOnHost.length; n++) {
      const counter = withOnHost[n] as number;
      if (this.counters.get(counter, this.anywhere) !== this.counters.get(counter, host)) return false;
    }
    return true;
  }

  /** @param fewest how many of what is spread are in the zone that has the fewest */
  zoneTakes({ inZone, withInZone, spread }: CompiledKind, zone: number, fewest: number): boolean {
    const place = this.hosts + zone;
    for (const { counter, most } of inZone) if (this.counters.get(counter, place) > most) return false;
    for (const counter of withInZone)
      if (this.counters.get(counter, this.anywhere) !== this.counters.get(counter, place)) return false;
    return !spread || this.counters.get(spread.counter, place) + 1 - fewest <= spread.maxSkew;
  }

  /** Is what was put on a host as one allowed there, each of it beside the others? What is spread is not looked at. */
  areAllowed(kinds: readonly CompiledKind[], host: number): boolean {
    const zone = this.zoneOf[host] as number;
    return kinds.every((kind) => {
      this.add(kind, host, -1);
      const { spread: _, ...unspread } = kind;
      const allowed = this.hostTakes(kind, host) && this.zoneTakes(unspread, zone, 0);
      this.add(kind, host, 1);
      return allowed;
    });
  }

  /** The host on which one of a kind has to be with others. */
  anchorOf({ withOnHost }: CompiledKind): number {
    for (const counter of withOnHost) {
      const host = this.anchors.get(counter);
      if (host !== undefined && this.counters.get(counter, host) > 0) return host;
    }
    return NOWHERE;
  }
}
