import { groupBy } from '../../group-by';
import type { ServiceId } from '../../ids';
import { NOWHERE, type OnlineSite } from './online-site';

/** A VEE that is on a host. */
export interface Resident {
  readonly kind: number;
  readonly shape: number;
  readonly service: ServiceId;
  /** Those with the same go to one host. */
  readonly unit: string | undefined;
  /** Has it to find a place when its host is lost? */
  readonly counts: boolean;
  readonly host: number;
}

/** Primes, so that evacuations begin to look for hosts far from each other. */
const SPREAD = 7_919;
const FURTHER = 997;

/** Residents by where each would go. */
export type Evacuation = readonly { readonly resident: Resident; readonly to: number }[];

/**
 * For each host of a site, or each zone, where what is on it would go if it were lost. That is worked out once; when something
 * comes, only those evacuations are looked at again that it may be in the way of: those which use its host, and those of its
 * own service and its own host. (Ganeti keeps a site N+1 by one such list, of secondary nodes.)
 */
export class Evacuations {
  private readonly site: OnlineSite;
  private readonly lose: 'host' | 'zone';
  /** The domain of each host: what is lost at once. */
  private readonly domainOf: Int32Array;
  private readonly hostsOf: readonly (readonly number[])[];
  private readonly residents: Resident[][];
  /** Absent for a domain whose loss would leave something without a place. */
  private readonly plans: (Evacuation | undefined)[];
  private readonly usedBy: Set<number>[];
  private readonly domainsOf = new Map<ServiceId, Set<number>>();
  /** The number of a resident in the site, which changes each time it is taken away and put back. */
  private readonly numbers = new Map<Resident, number>();

  constructor(site: OnlineSite, lose: 'host' | 'zone', residents: readonly Resident[]) {
    this.site = site;
    this.lose = lose;
    const hosts = site.hosts.length;
    this.domainOf = lose === 'host' ? Int32Array.from({ length: hosts }, (_, h) => h) : site.zoneOf;
    const domains = lose === 'host' ? hosts : site.zones;
    const hostsOf: number[][] = Array.from({ length: domains }, () => []);
    for (const [h, domain] of this.domainOf.entries()) hostsOf[domain]?.push(h);
    this.hostsOf = hostsOf;
    this.residents = Array.from({ length: domains }, () => []);
    this.usedBy = Array.from({ length: hosts }, () => new Set());
    for (const r of residents) this.settle(r);
    this.plans = [];
    for (let domain = 0; domain < domains; domain++) this.keep(domain, this.evacuate(domain));
  }

  /** Where those that count would go if a host, or a zone, were lost; nothing when some would have no place. */
  evacuationOf(domain: number): Evacuation | undefined {
    return this.plans[domain];
  }

  /**
   * Lets residents come to a host, if all evacuations go on being possible, their own included.
   * @returns whose loss would leave something without a place; nothing when they have come
   */
  admit(coming: readonly Resident[], host: number): string | undefined {
    const own = this.domainOf[host] as number;
    for (const r of coming) this.settle(r);
    const anew = new Map<number, Evacuation>();
    for (const domain of this.concernedBy(coming, host, own)) {
      const plan = this.plans[domain];
      // One that was impossible before is no fault of theirs, unless it is where they would be.
      if (!plan && domain !== own) continue;
      const other = this.mended(domain, plan) ?? this.evacuate(domain);
      if (!other) {
        for (const r of coming) this.unsettle(r);
        return this.nameOf(domain);
      }
      anew.set(domain, other);
    }
    for (const [domain, plan] of anew) this.keep(domain, plan);
    return undefined;
  }

  /** The domains whose evacuation may not be possible any more. */
  private concernedBy(coming: readonly Resident[], host: number, own: number): Set<number> {
    const reach = new Set(coming.map((r) => this.site.reachOf(r.kind)));
    const services = new Set(reach.has('none') && reach.size === 1 ? [] : coming.map((r) => r.service));
    const concerned = new Set([own]);
    for (const domain of this.usedBy[host] ?? [])
      if (reach.has('tenant') || reach.has('zone') || this.isInTheWay(host, domain, services))
        concerned.add(domain);
    // Where some of a service are may matter to where others could go.
    if (reach.has('zone'))
      for (const service of services) for (const d of this.domainsOf.get(service) ?? []) concerned.add(d);
    return concerned;
  }

  /** Has a host no room left for those of a domain that would go there, or are some of them of these services? */
  private isInTheWay(host: number, domain: number, services: ReadonlySet<ServiceId>): boolean {
    const shapes: number[] = [];
    for (const { resident, to } of this.plans[domain] ?? []) {
      if (to !== host) continue;
      if (services.has(resident.service)) return true;
      shapes.push(resident.shape);
    }
    return !this.site.rooms.fitTogether(shapes, host);
  }

  private settle(resident: Resident): void {
    const domain = this.domainOf[resident.host] as number;
    this.numbers.set(resident, this.site.put(resident.kind, resident.shape, resident.host));
    this.residents[domain]?.push(resident);
    const known = this.domainsOf.get(resident.service);
    if (known) known.add(domain);
    else this.domainsOf.set(resident.service, new Set([domain]));
  }

  /** What is left in `domainsOf` costs a look at most. */
  private unsettle(resident: Resident): void {
    this.site.take(this.numbers.get(resident) as number);
    this.numbers.delete(resident);
    this.residents[this.domainOf[resident.host] as number]?.pop();
  }

  private keep(domain: number, plan: Evacuation | undefined): void {
    for (const { to } of this.plans[domain] ?? []) this.usedBy[to]?.delete(domain);
    for (const { to } of plan ?? []) this.usedBy[to]?.add(domain);
    this.plans[domain] = plan;
  }

  /** As before, as far as that goes: only what has no place any more, or is new, gets another. */
  private mended(domain: number, before: Evacuation | undefined): Evacuation | undefined {
    if (!before) return undefined;
    const { site } = this;
    const known = new Set(before.map((move) => move.resident));
    const fresh = (this.residents[domain] ?? []).filter((r) => r.counts && !known.has(r));
    return this.inThought(domain, (put) => {
      const plan: { resident: Resident; to: number }[] = [];
      const left = fresh.slice();
      for (const { resident, to } of before)
        if (site.canTake(resident.kind, resident.shape, to)) {
          put(resident, to);
          plan.push({ resident, to });
        } else left.push(resident);
      for (const [n, resident] of left.entries()) {
        // What goes together is planned together.
        if (resident.unit !== undefined) return undefined;
        const to = site.findAny(resident.kind, resident.shape, this.startOf(domain, plan.length + n));
        if (to === NOWHERE) return undefined;
        put(resident, to);
        plan.push({ resident, to });
      }
      return plan;
    });
  }

  /**
   * Where all that counts would go, those that are hardest to place first: spread over the site, so that each host is in few
   * plans, or else as tight as can be.
   */
  private evacuate(domain: number): Evacuation | undefined {
    const wanted = (this.residents[domain] ?? []).filter((r) => r.counts);
    if (wanted.length === 0) return [];
    const { site } = this;
    const units = [...groupBy(wanted, (r) => r.unit ?? r).values()]
      .map((of) => ({ of, kind: (of[0] as Resident).kind, shape: site.rooms.sumOf(of.map((r) => r.shape)) }))
      .map((unit) => ({ ...unit, size: site.rooms.sizeOf(unit.shape) }))
      .sort((a, b) => b.size - a.size);
    const planned = (find: (kind: number, shape: number, n: number) => number) =>
      this.inThought(domain, (put) => {
        const plan: { resident: Resident; to: number }[] = [];
        for (const [n, { of, kind, shape }] of units.entries()) {
          const to = find(kind, shape, n);
          if (to === NOWHERE) return undefined;
          for (const resident of of) {
            if (!site.canTake(resident.kind, resident.shape, to)) return undefined;
            put(resident, to);
            plan.push({ resident, to });
          }
        }
        return plan;
      });
    return (
      planned((kind, shape, n) => site.findAny(kind, shape, this.startOf(domain, n))) ??
      planned((kind, shape) => site.find(kind, shape))
    );
  }

  private startOf = (domain: number, n: number): number =>
    (domain * SPREAD + n * FURTHER) % this.site.hosts.length;

  /** Works on the site as it is once a domain is lost; then all is as it was. */
  private inThought<T>(domain: number, work: (put: (r: Resident, to: number) => void) => T): T {
    const { site } = this;
    const gone = this.residents[domain] ?? [];
    for (const r of gone) site.take(this.numbers.get(r) as number);
    const closed = (this.hostsOf[domain] ?? []).filter((h) => site.isOpen(h));
    for (const h of closed) site.closeHost(h);
    const moved: number[] = [];
    const answer = work((r, to) => moved.push(site.put(r.kind, r.shape, to)));
    for (const vee of moved.reverse()) site.take(vee);
    for (const h of closed) site.openHost(h);
    for (const r of gone) this.numbers.set(r, site.put(r.kind, r.shape, r.host));
    return answer;
  }

  private nameOf(domain: number): string {
    const [first = 0] = this.hostsOf[domain] ?? [];
    const host = this.site.hosts[first];
    if (!host) return '';
    return this.lose === 'host' ? host.id : `zone ${host.zone}`;
  }
}
