import type { ServiceId } from '../../ids';
import type { OnlineSite } from './online-site';
import type { Account } from './own-promises';

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
  /** Absent for what uses no reservation. */
  readonly account?: Account;
  /** As it is told. */
  readonly name: string;
}

/** The VEEs of a site, and what would be if hosts with all that is on them were lost. Mutable. */
export class Residents {
  readonly site: OnlineSite;
  private readonly byHost: Resident[][];
  /** The number of each in the site, which changes whenever it is taken away and put back. */
  private readonly numbers = new Map<Resident, number>();

  constructor(site: OnlineSite) {
    this.site = site;
    this.byHost = Array.from(site.hosts, () => []);
  }

  on(hosts: readonly number[]): Resident[] {
    return hosts.flatMap((h) => this.byHost[h] ?? []);
  }

  settle(resident: Resident): void {
    const { kind, shape, host } = resident;
    this.numbers.set(resident, this.site.put(kind, shape, host));
    this.use(resident, host, 1);
    this.byHost[host]?.push(resident);
  }

  unsettle(resident: Resident): void {
    const there = this.byHost[resident.host] ?? [];
    there.splice(there.lastIndexOf(resident), 1);
    this.site.take(this.numbers.get(resident) as number);
    this.use(resident, resident.host, -1);
    this.numbers.delete(resident);
  }

  /** Looks for a place for a resident, on a site where what is promised to its reservation is free for it. */
  lookedFor<T>({ account }: Resident, look: () => T): T {
    const { own, grant } = this.site;
    return account ? own.asOwn(account.leaseId, grant, look) : look();
  }

  /** Works on the site as it is once these hosts are lost; then all is as it was. */
  without<T>(hosts: readonly number[], work: (put: (r: Resident, to: number) => void) => T): T {
    const { site } = this;
    const gone = this.on(hosts);
    for (const r of gone) site.take(this.numbers.get(r) as number);
    const closed = hosts.filter((h) => site.isOpen(h));
    for (const h of closed) site.closeHost(h);
    const moved: { readonly vee: number; readonly r: Resident; readonly to: number }[] = [];
    const answer = work((r, to) => {
      moved.push({ vee: site.put(r.kind, r.shape, to), r, to });
      this.use(r, to, 1);
    });
    for (const { vee, r, to } of moved.reverse()) {
      site.take(vee);
      this.use(r, to, -1);
    }
    for (const h of closed) site.openHost(h);
    for (const r of gone) this.numbers.set(r, site.put(r.kind, r.shape, r.host));
    return answer;
  }
  private use({ account }: Resident, host: number, times: 1 | -1): void {
    if (account) this.site.own.use(account, host, times, this.site.grant);
  }
}
