/** How one VEE is on one network: all a host has to know. */
export interface NetworkAttachment {
  readonly networkId: string;
  /** As the manifest calls it. */
  readonly name: string;
  /** VXLAN network identifier, 1 to 16777215, unique within the site. */
  readonly vni: number;
  /** Lower case and locally administered (`02:…`); the VEE's for its whole life. */
  readonly mac: string;
  readonly mtu: number;
  readonly addresses: readonly AttachedAddress[];
  /** What may come in; absent: anything from the same network. */
  readonly ingress?: readonly IngressRule[];
  /** Whom the VEE is to know there, by what its values name: as it was when it was made. Absent where it names nobody. */
  readonly neighbours?: readonly Neighbour[];
}

export interface Neighbour {
  readonly component: string;
  readonly index: number;
  readonly address: string;
}

export interface AttachedAddress {
  readonly address: string;
  readonly prefixLength: number;
  /** Only where the default route is to lead through this network. */
  readonly gateway?: string;
}

export interface IngressRule {
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly fromPort?: number;
  readonly toPort?: number;
  /** CIDRs or single addresses; absent: the whole network. */
  readonly from?: readonly string[];
}
