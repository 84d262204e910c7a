import type { HostId, SiteId } from '../../domain/ids';

/** By what a host is known to others of its site; PEM, all of it. */
export interface HostCredentials {
  readonly key: string;
  readonly certificate: string;
  /** Whoever is signed by one of these is of the same site. */
  readonly authorities: readonly string[];
}

/** Who a host is where it meets another one. */
export interface HostIdentity {
  readonly siteId: SiteId;
  readonly hostId: HostId;
  /** May what migrates travel readable, from or to a host that has no certificate? The operator's to say. */
  readonly plainPermitted: boolean;
  /** As they are now; nothing before the site has issued them. */
  credentials(): HostCredentials | undefined;
}
