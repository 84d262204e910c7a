import { groupBy } from '../../group-by';
import { describeZone } from '../../host';
import type { ServiceId } from '../../ids';
import type { OnlineSite } from './online-site';
import { type Resident, Residents } from './residents';
import { NOWHERE } from './rule-counts';

export interface Move {
  readonly resident: Resident;
  readonly to: number;
}

export interface Evacuation {
  readonly moves: readonly Move[];
  /** What would have no place, of what counts. */
  readonly stranded: readonly Resident[];
}

/** Why something may not come: if this were lost, that would have no place, which has one without it. */
export interface Stranding {
  readonly lost: string;
  readonly stranded: Resident;
}

const NOTHING: Evacuation = { moves: [], stranded: [] };

/** What has come, and the evacuations that were changed for it as they were. */
interface Admitted {
  readonly coming: readonly Resident[];
  readonly before: readonly (readonly [number, Evacuation])[];
}

/** Primes, so that evacuations begin to look for hosts far from each other. */
const SPREAD = 7_919;
const FURTHER = 997;

/**
 * For each host of a site, or each zone, where what is on it would go if it were lost. That is worked out once; when something
 * comes, only those evacuations are looked at again that it may be in the way of: those which use its host, and those of its
 * own service and its own host. (Ganeti keeps a site N+1 by one such list, of secondary nodes.)
 */
export class Evacuations {
  private readonly site: OnlineSite;
  private readonly lose: 'host' | 'zone';
  private readonly residents: Residents;
  /** The domain of each host: what is lost at once. */
  private readonly domainOf: Int32Array;
  private readonly hostsOf: readonly (readonly number[])[];
  private readonly plans: Evacuation[] = [];
  private readonly usedBy: Set<number>[];
  private readonly admitted: Admitted[] = [];
  private readonly domainsOf = new Map<ServiceId, Set<number>>();

  constructor(site: OnlineSite, lose: 'host' | 'zone', residents: readonly Resident[]) {
    this.site = site;
    this.lose = lose;
    this.residents = new Residents(site);
    const hosts = site.hosts.length;
    this.domainOf = lose === 'host' ? Int32Array.from({ length: hosts }, (_, h) => h) : site.zoneOf;
    const domains = lose === 'host' ? hosts : site.zones;
    const hostsOf: number[][] = Array.from({ length: domains }, () => []);
    for (const [h, domain] of this.domainOf.entries()) hostsOf[domain]?.push(h);
    this.hostsOf = hostsOf;
    this.usedBy = Array.from({ length: hosts }, () => new Set());
    for (const r of residents) this.settle(r);
    for (let domain = 0; domain < domains; domain++) this.keep(domain, this.evacuate(domain));
  }

  /** Where those that count would go if a host, or a zone, were lost. */
  evacuationOf(domain: number): Evacuation {
    return this.plans[domain] ?? NOTHING;
  }

  /** All that would have no place, each with what would have to be lost for that. */
  strandings(): Stranding[] {
    return this.plans.flatMap(({ stranded }, domain) =>
      stranded.map((one) => ({ lost: this.nameOf(domain), stranded: one })),
    );
  }

  /**
   * Lets residents come to a host, if no loss strands anything then that it would not without them.
   * @returns what it would strand; nothing when they have come
   */
  admit(coming: readonly Resident[], host: number): Stranding | undefined {
    const own = this.domainOf[host] as number;
    for (const r of coming) this.settle(r);
    const anew = new Map<number, Evacuation>();
    for (const domain of this.concernedBy(coming, host, own)) {
      const before = this.evacuationOf(domain);
      const after = this.adapted(domain, before, coming, host) ?? this.evacuate(domain);
      const stranded = after.stranded.find((r) => !before.stranded.includes(r));
      if (stranded) {
        for (const r of coming) this.residents.unsettle(r);
        return { lost: this.nameOf(domain), stranded };
      }
      anew.set(domain, after);
    }
    const before = [...anew.keys()].map((domain) => [domain, this.evacuationOf(domain)] as const);
    this.admitted.push({ coming, before });
    for (const [domain, plan] of anew) this.keep(domain, plan);
    return undefined;
  }

  /** All is as before anything was admitted. */
  rewind(): void {
    for (let last = this.admitted.pop(); last; last = this.admitted.pop()) {
      for (const [domain, plan] of last.before) this.keep(domain, plan);
      for (const r of last.coming) this.residents.unsettle(r);
    }
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
    for (const { resident, to } of this.evacuationOf(domain).moves) {
      if (to !== host) continue;
      if (services.has(resident.service)) return true;
      shapes.push(resident.shape);
    }
    return !this.site.rooms.fitTogether(shapes, host);
  }

  /** The domains of a service are never taken out: one too many costs a look. */
  private settle(resident: Resident): void {
    this.residents.settle(resident);
    const domain = this.domainOf[resident.host] as number;
    const known = this.domainsOf.get(resident.service);
    if (known) known.add(domain);
    else this.domainsOf.set(resident.service, new Set([domain]));
  }

  private keep(domain: number, plan: Evacuation): void {
    for (const { to } of this.evacuationOf(domain).moves) this.usedBy[to]?.delete(domain);
    for (const { to } of plan.moves) this.usedBy[to]?.add(domain);
    this.plans[domain] = plan;
  }

  /** An evacuation as it was before something came to a host, changed as little as that asks for. */
  private adapted(
    domain: number,
    before: Evacuation,
    coming: readonly Resident[],
    host: number,
  ): Evacuation | undefined {
    const moving = before.moves.filter((move) => move.to === host).map((move) => move.resident);
    const come = domain === this.domainOf[host] ? coming.filter((r) => r.counts) : [];
    return [...coming, ...moving].every((r) => this.isLocal(r))
      ? this.amended(domain, before, [...moving, ...come], host)
      : this.mended(domain, before);
  }

  /**
   * The same, but that what would have gone to this host gets another place, as what has come to the domain does. All that is
   * concerned looks no further than to one host: so nobody else's place has to be looked at.
   */
  private amended(
    domain: number,
    before: Evacuation,
    all: readonly Resident[],
    host: number,
  ): Evacuation | undefined {
    const staying = before.moves.filter((move) => move.to !== host);
    const there = groupBy(staying, (move) => move.to);
    const plan = [...staying];
    for (const [n, resident] of all.entries()) {
      const { kind, shape, service } = resident;
      const to = this.site.findAny(kind, shape, this.startOf(domain, n + plan.length), (h) => {
        if (this.domainOf[h] === domain) return false;
        const others = there.get(h) ?? [];
        if (others.some((move) => move.resident.service === service)) return false;
        return this.site.rooms.fitTogether([shape, ...others.map((move) => move.resident.shape)], h);
      });
      if (to === NOWHERE) return undefined;
      const move = { resident, to };
      plan.push(move);
      there.set(to, [...(there.get(to) ?? []), move]);
    }
    return { moves: plan, stranded: before.stranded };
  }

  /** Do its rules look no further than to which of its own service are on its host? */
  private isLocal({ kind, unit, account }: Resident): boolean {
    if (unit !== undefined || account) return false;
    const reach = this.site.reachOf(kind);
    return reach === 'none' || reach === 'service';
  }

  /** As before, as far as that goes: only what has no place any more, or is new, gets another. */
  private mended(domain: number, before: Evacuation): Evacuation | undefined {
    const { site } = this;
    const known = new Set([...before.moves.map((move) => move.resident), ...before.stranded]);
    const fresh = this.countingIn(domain).filter((r) => !known.has(r));
    const moves = this.inThought(domain, (put) => {
      const left = fresh.slice();
      for (const { resident, to } of before.moves)
        if (this.residents.lookedFor(resident, () => site.canTake(resident.kind, resident.shape, to)))
          put(resident, to);
        else left.push(resident);
      for (const [n, resident] of left.entries()) {
        // What goes together is planned together.
        if (resident.unit !== undefined) return false;
        const to = this.residents.lookedFor(resident, () =>
          site.findAny(resident.kind, resident.shape, this.startOf(domain, n)),
        );
        if (to === NOWHERE) return false;
        put(resident, to);
      }
      return true;
    });
    return moves && { moves, stranded: before.stranded };
  }

  /**
   * Where all that counts would go, those that are hardest to place first: spread over the site, so that each host is in few
   * plans, or, where that strands something, as tight as can be.
   */
  private evacuate(domain: number): Evacuation {
    const wanted = this.countingIn(domain);
    if (wanted.length === 0) return NOTHING;
    const { site } = this;
    const units = [...groupBy(wanted, (r) => r.unit ?? r).values()]
      .map((of) => ({ of, size: of.reduce((sum, r) => sum + site.rooms.sizeOf(r.shape), 0) }))
      .sort((a, b) => b.size - a.size)
      .map((unit) => unit.of);
    const planned = (find: (one: Resident, n: number) => number): Evacuation => {
      const stranded: Resident[] = [];
      const moves = this.inThought(domain, (put) => {
        for (const [n, of] of units.entries()) {
          const [first] = of;
          if (!first) continue;
          const to = this.residents.lookedFor(first, () =>
            of.length === 1 ? find(first, n) : site.findForAll(of, this.startOf(domain, n)),
          );
          if (to === NOWHERE) stranded.push(...of);
          else for (const resident of of) put(resident, to);
        }
        return true;
      });
      return { moves: moves ?? [], stranded };
    };
    const spread = planned(({ kind, shape }, n) => site.findAny(kind, shape, this.startOf(domain, n)));
    if (spread.stranded.length === 0) return spread;
    const tight = planned(({ kind, shape }) => site.find(kind, shape));
    return tight.stranded.length < spread.stranded.length ? tight : spread;
  }

  private countingIn(domain: number): Resident[] {
    return this.residents.on(this.hostsOf[domain] ?? []).filter((r) => r.counts);
  }

  private startOf = (domain: number, n: number): number =>
    (domain * SPREAD + n * FURTHER) % this.site.hosts.length;

  /** What is put where once a domain is lost, if that works out. */
  private inThought(
    domain: number,
    work: (put: (r: Resident, to: number) => void) => boolean,
  ): Move[] | undefined {
    const plan: Move[] = [];
    const complete = this.residents.without(this.hostsOf[domain] ?? [], (put) =>
      work((resident, to) => {
        put(resident, to);
        plan.push({ resident, to });
      }),
    );
    return complete ? plan : undefined;
  }

  private nameOf(domain: number): string {
    const [first = 0] = this.hostsOf[domain] ?? [];
    const host = this.site.hosts[first];
    if (!host) return '';
    return this.lose === 'host' ? host.id : describeZone(host.zone);
  }
}
