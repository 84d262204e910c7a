import type { HostLiveness, HostRecord } from '../host';
import type { HostId, TenantId, VeeId } from '../ids';

/** What takes a licence: each VEE one, each host one on which any such VEE is, or each core of a VEE, rounded up. */
export const LICENCE_BASES = ['vee', 'host', 'core'] as const;
export type LicenceBasis = (typeof LICENCE_BASES)[number];

/** So many licences the site has of something. */
export interface LicencePool {
  readonly name: string;
  readonly count: number;
  readonly per: LicenceBasis;
}

/** A place that a VEE holds and that takes licences. One that moves holds two. */
export interface LicensedPlace {
  readonly veeId: VeeId;
  readonly hostId: HostId;
  readonly cpuMillis: number;
  readonly licences: readonly string[];
  readonly tenantId?: TenantId;
}

/** What a planner sees of licences: those of the site, and what takes them now. */
export interface Licences {
  readonly pools: readonly LicencePool[];
  readonly places: readonly LicensedPlace[];
}

export interface LicenceRefusal {
  readonly reason: 'licence';
  readonly licence: string;
  /** How many more it would take. */
  readonly need: number;
  /** Of so many, and so many of them are in use. Absent where the site has no such licence. */
  readonly of?: number;
  readonly used?: number;
}

const coresOf = (cpuMillis: number) => Math.ceil(cpuMillis / 1_000);

/** How many of one pool are taken. Mutable: places are added one by one, in thought. */
class Account {
  readonly pool: LicencePool;
  private readonly taken = new Map<string, number>();
  used = 0;

  constructor(pool: LicencePool) {
    this.pool = pool;
  }

  copy(): Account {
    const copy = new Account(this.pool);
    for (const [key, taken] of this.taken) copy.taken.set(key, taken);
    copy.used = this.used;
    return copy;
  }

  /** How many more a place takes: nothing where what it would be counted for is counted already. */
  more({ veeId, hostId, cpuMillis }: LicensedPlace): number {
    const { per } = this.pool;
    const key = per === 'host' ? hostId : veeId;
    const taken = this.taken.get(key) ?? 0;
    return Math.max(0, (per === 'core' ? coresOf(cpuMillis) : 1) - taken);
  }

  add(place: LicensedPlace): void {
    const more = this.more(place);
    const key = this.pool.per === 'host' ? place.hostId : place.veeId;
    this.taken.set(key, (this.taken.get(key) ?? 0) + more);
    this.used += more;
  }
}

/** The licences of a site with what has been placed so far. */
export class LicenceBook {
  private readonly accounts: ReadonlyMap<string, Account>;

  private constructor(accounts: readonly Account[]) {
    this.accounts = new Map(accounts.map((account) => [account.pool.name, account]));
  }

  /** @param isLost what was on a host that is lost does not run there, as far as is known: that host needs no licence */
  static of({ pools, places }: Licences, isLost: (hostId: HostId) => boolean): LicenceBook {
    const book = new LicenceBook(pools.map((pool) => new Account(pool)));
    for (const place of places)
      for (const account of book.of(place))
        if (account.pool.per !== 'host' || !isLost(place.hostId)) account.add(place);
    return book;
  }

  /** Another that goes on from here by itself. */
  copy(): LicenceBook {
    return new LicenceBook([...this.accounts.values()].map((account) => account.copy()));
  }

  used(name: string): number {
    return this.accounts.get(name)?.used ?? 0;
  }

  /** How many more of one a place would take. */
  needed(name: string, place: LicensedPlace): number {
    return this.accounts.get(name)?.more(place) ?? 0;
  }

  add(places: readonly LicensedPlace[]): void {
    for (const place of places) for (const account of this.of(place)) account.add(place);
  }

  /** Is there any that nothing takes yet? */
  isLeft(name: string): boolean {
    const account = this.accounts.get(name);
    return account !== undefined && account.used < account.pool.count;
  }

  /** Does it matter for it on which host a VEE is? */
  isPerHost(name: string): boolean {
    return this.accounts.get(name)?.pool.per === 'host';
  }

  /** Why places can't be taken together, by whatever licence is short; what takes no more of one is never refused for it. */
  refusal(
    places: readonly LicensedPlace[],
    names: Iterable<string> = licenceNames(places),
  ): LicenceRefusal | undefined {
    for (const licence of names) {
      const account = this.accounts.get(licence);
      const taking = places.filter((p) => p.licences.includes(licence));
      if (!account) return { reason: 'licence', licence, need: taking.length };
      const need = neededBy(account, taking);
      const { pool, used } = account;
      if (need > 0 && used + need > pool.count)
        return { reason: 'licence', licence, need, of: pool.count, used };
    }
    return undefined;
  }

  private of({ licences }: LicensedPlace): Account[] {
    return licences.flatMap((name) => this.accounts.get(name) ?? []);
  }
}

/** Those that go to one host take one licence of it together. */
function neededBy(account: Account, places: readonly LicensedPlace[]): number {
  if (account.pool.per !== 'host') return places.reduce((n, p) => n + account.more(p), 0);
  const hosts = new Map(places.map((p) => [p.hostId, p]));
  return [...hosts.values()].reduce((n, p) => n + account.more(p), 0);
}

export function describeLicenceRefusal({ licence, need, of, used }: LicenceRefusal): string {
  if (of === undefined || used === undefined) return `the site has no licence ${licence}`;
  if (used >= of) return `all ${of} of ${licence} are in use`;
  return `${need} of ${licence} needed, ${of - used} of ${of} free`;
}

interface WithLicences {
  readonly licences?: Licences | undefined;
}

interface Site extends WithLicences {
  readonly hosts: readonly { readonly id: HostId; readonly liveness: HostLiveness }[];
}

/** A site without any has none of whatever is asked for. */
export function bookOf({ licences, hosts }: Site): LicenceBook {
  const lost = new Set(hosts.filter((h) => h.liveness === 'lost').map((h) => h.id));
  return LicenceBook.of(licences ?? { pools: [], places: [] }, (id) => lost.has(id));
}

/** May all of these be taken at once? */
export const licencesSuffice = (site: Site, places: readonly LicensedPlace[]): boolean =>
  places.every((p) => p.licences.length === 0) || bookOf(site).refusal(places) === undefined;

/** Pools of which more is taken than there is, in words. */
export function licencesExceeded(site: Site): string[] {
  const book = bookOf(site);
  return (site.licences?.pools ?? [])
    .filter((p) => book.used(p.name) > p.count)
    .map((p) => `${book.used(p.name)} of ${p.name} are in use, and there are ${p.count}`);
}

/** What hosts have reserved, as far as it takes any. */
export const placesOn = (hosts: readonly Pick<HostRecord, 'id' | 'reservations'>[]): LicensedPlace[] =>
  hosts.flatMap(({ id: hostId, reservations }) =>
    Object.entries(reservations).flatMap(([veeId, { amount, licences = [] }]) =>
      licences.length === 0 ? [] : [{ veeId: veeId as VeeId, hostId, cpuMillis: amount.cpuMillis, licences }],
    ),
  );

/** The same site once these places are taken, in thought. */
export function withPlaces<S extends WithLicences>(site: S, places: readonly LicensedPlace[]): S {
  const taking = places.filter((p) => p.licences.length > 0);
  if (taking.length === 0 || !site.licences) return site;
  return { ...site, licences: { ...site.licences, places: [...site.licences.places, ...taking] } };
}

/** The same once a VEE has given back all that it holds. */
export function withoutPlaces<S extends WithLicences>(site: S, veeId: VeeId): S {
  if (!site.licences?.places.some((p) => p.veeId === veeId)) return site;
  const places = site.licences.places.filter((p) => p.veeId !== veeId);
  return { ...site, licences: { ...site.licences, places } };
}

/** All that any of these takes. */
export const licenceNames = (
  takers: readonly { readonly licences?: readonly string[] | undefined }[],
): string[] => [...new Set(takers.flatMap((t) => t.licences ?? []))].sort();

/** The place of a VEE on a host, as far as licences go. */
export const placeOf = (
  vee: {
    readonly id: VeeId;
    readonly need: { readonly cpuMillis: number };
    readonly licences?: readonly string[] | undefined;
  },
  hostId: HostId,
): LicensedPlace => ({
  veeId: vee.id,
  hostId,
  cpuMillis: vee.need.cpuMillis,
  licences: vee.licences ?? [],
});
