import { derivedEntropy } from '../derived-entropy';
import { makeNetworkId, type NetworkId, type ServiceId, type TenantId, type VeeId } from '../ids';
import type { TemplateNetwork } from '../vee/vee';
import type { Block } from './blocks';
import { type Subnet, subnetOf } from './subnet';

/** VXLAN takes 50 bytes of what the network below carries in a packet, which is 1500 nearly everywhere. */
export const DEFAULT_MTU = 1_450;
export const MOST_VNI = 2 ** 24 - 1;

/** What belongs to every network; its subnets are as text, with at least one of the two. */
interface NetworkBase {
  readonly id: NetworkId;
  readonly name: string;
  readonly vni: number;
  readonly mtu: number;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly createdAt: number;
  readonly generation: number;
}

/** Made with a service by its manifest, for it alone, and gone with it. */
export interface ServiceNetwork extends NetworkBase {
  readonly kind: 'service';
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly blocks: readonly Block[];
}

/** Made by an operator, for the services of those tenants that it is shared with. */
export interface SiteNetwork extends NetworkBase {
  readonly kind: 'site';
  /** Null: with all of them. */
  readonly sharedWith: readonly TenantId[] | null;
  /** It is about to be removed: nothing new comes onto it. `true` is what earlier releases have noted. */
  readonly closing?: Closing | true;
}

export interface Closing {
  /** The request that removes it. */
  readonly by: string;
  readonly at: number;
}

/** Whoever was to remove a network has died when it is still there so long after; it takes far less than a second. */
export const CLOSING_MILLIS = 60_000;

/** Is somebody removing it, as far as can be told? */
export const isClosing = ({ closing }: Pick<SiteNetwork, 'closing'>, now: number): boolean =>
  closing !== undefined && (closing === true || now - closing.at < CLOSING_MILLIS);

export type NetworkRecord = ServiceNetwork | SiteNetwork;

/** An address, by its number in each of the network's subnets, that is one VEE's; or was, until it may be another's. */
export interface AddressLease {
  readonly id: string;
  readonly networkId: NetworkId;
  readonly veeId: VeeId;
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly component: string;
  readonly offset: number;
  readonly mac: string;
  readonly held: boolean;
  readonly since: number;
  readonly releasedAt?: number;
}

/** So long an address that was given back is not given to another: neighbours may still know it by its old MAC. */
export const COOL_DOWN_MILLIS = 300_000;

/** Says how a network is declared. */
export const networkKeyOf = ({ name, ipv4 = '', ipv6 = '', site = '' }: Declared): string =>
  [name, ipv4, ipv6, site].join('|');

/** Its id says what was declared: a network that is declared otherwise is another, also while both are in use. */
export const networkIdOf = (serviceId: ServiceId, as: Declared): NetworkId =>
  makeNetworkId(derivedEntropy('network', serviceId, networkKeyOf(as)));

export const leaseIdOf = (networkId: NetworkId, veeId: VeeId) => `${networkId}/${veeId}`;

/** Locally administered, and so of no maker. @param attempt another for another: 40 bits may meet */
export function macOf(networkId: NetworkId, veeId: VeeId, attempt = 0): string {
  const digits = derivedEntropy('mac', networkId, veeId, attempt).slice(0, 10);
  return ['02', ...(digits.match(/../g) ?? [])].join(':');
}

export function subnetsOf({ ipv4, ipv6 }: SubnetTexts): Subnet[] {
  return [...(ipv4 ? [subnetOf(ipv4, 'ipv4')] : []), ...(ipv6 ? [subnetOf(ipv6, 'ipv6')] : [])];
}

type Declared = { readonly [K in keyof TemplateNetwork]: TemplateNetwork[K] | undefined };

interface SubnetTexts {
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
}

export const isSharedWith = ({ sharedWith }: SiteNetwork, tenantId: TenantId): boolean =>
  sharedWith === null || sharedWith.includes(tenantId);
