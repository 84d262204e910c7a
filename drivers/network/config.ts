import type { NamedNetwork } from '../../domain/network/names';

/** From where a host learns what VEEs are called. */
export interface NameSource {
  /** Undefined where the site does not say just now: what it said before is held to. */
  read(): Promise<readonly NamedNetwork[] | undefined>;
  /** Names could not be answered for; it is tried again. */
  failed(error: unknown): void;
}

/** How a host is on its site's networks. */
export interface NetworkConfig {
  /** Hosts on one machine share the bridges of those that name the same. */
  readonly domain: string;
  /** The network namespace that is the host's own; absent where it is the machine's. */
  readonly namespace?: string;
  /** Where other hosts reach its end of a VXLAN; absent where its networks are on this machine alone. */
  readonly underlayAddress?: string;
  /** Of UDP. */
  readonly vxlanPort?: number;
}
