import type { HostId, ServiceId, VeeId } from '../ids';
import type { PlacedVee, RequestedVee, Snapshot, SnapshotHost } from './model';
import type { RankedHost } from './policy';

interface Counts {
  readonly byHost: Map<HostId, number>;
  readonly byZone: Map<string, number>;
  readonly bySite: Map<string, number>;
  all: number;
}

/** Where the VEEs of services are, by host and zone: counted for a service when that is first asked for. Mutable. */
export class ServiceSpread {
  private readonly hosts: ReadonlyMap<HostId, SnapshotHost>;
  private readonly vees: readonly PlacedVee[];
  private readonly placing: ReadonlySet<VeeId>;
  private readonly known = new Map<ServiceId, Counts>();
  private readonly put = new Map<ServiceId, HostId[]>();

  /** @param placing what is to get a place: where it still is does not count */
  constructor({ hosts, vees }: Snapshot, placing: ReadonlySet<VeeId>) {
    this.hosts = new Map(hosts.map((h) => [h.id, h]));
    this.vees = vees;
    this.placing = placing;
  }

  add(vees: readonly RequestedVee[], hostId: HostId): void {
    for (const { serviceId } of vees) {
      const hosts = this.put.get(serviceId);
      if (hosts) hosts.push(hostId);
      else this.put.set(serviceId, [hostId]);
      const counts = this.known.get(serviceId);
      if (counts) this.count(counts, hostId);
    }
  }

  of(serviceId: ServiceId, host: SnapshotHost): RankedHost['sameService'] {
    const { byHost, byZone, bySite, all } = this.countsOf(serviceId);
    const elsewhere = all - (bySite.get(siteOf(host)) ?? 0);
    const near = { onHost: byHost.get(host.id) ?? 0, inZone: byZone.get(host.zone) ?? 0 };
    return { ...near, inSite: all - elsewhere, ...(elsewhere > 0 ? { elsewhere } : {}) };
  }

  private countsOf(serviceId: ServiceId): Counts {
    const known = this.known.get(serviceId);
    if (known) return known;
    const counts: Counts = { byHost: new Map(), byZone: new Map(), bySite: new Map(), all: 0 };
    for (const v of this.vees)
      if (v.serviceId === serviceId && !this.placing.has(v.id)) this.count(counts, v.hostId);
    for (const hostId of this.put.get(serviceId) ?? []) this.count(counts, hostId);
    this.known.set(serviceId, counts);
    return counts;
  }

  private count(counts: Counts, hostId: HostId): void {
    const host = this.hosts.get(hostId);
    counts.all++;
    counts.byHost.set(hostId, (counts.byHost.get(hostId) ?? 0) + 1);
    // One on a host that nobody knows any more is on no other site, as far as is known.
    const site = siteOf(host ?? {});
    counts.bySite.set(site, (counts.bySite.get(site) ?? 0) + 1);
    if (host) counts.byZone.set(host.zone, (counts.byZone.get(host.zone) ?? 0) + 1);
  }
}

const siteOf = ({ site }: Pick<SnapshotHost, 'site'>): string => site ?? '';
