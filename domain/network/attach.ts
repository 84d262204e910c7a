import type { TemplateNetwork, TemplatePort } from '../vee/vee';
import type { IngressRule, NetworkAttachment } from './attachment';
import { type AddressLease, type NetworkRecord, subnetsOf } from './model';
import { addressAt, coveringSubnets, GATEWAY_OFFSET } from './subnet';

const ANYWHERE = ['0.0.0.0/0', '::/0'];

/** How a VEE is on its networks, in the order of its component. The default route leads through the first. */
export function attachmentsOf(
  on: readonly {
    readonly as: TemplateNetwork;
    readonly network: NetworkRecord;
    readonly lease: Pick<AddressLease, 'offset' | 'mac'>;
  }[],
  ports: readonly TemplatePort[] | undefined,
): NetworkAttachment[] {
  return on.map(({ as, network, lease }, i) => ({
    networkId: network.id,
    name: as.name,
    vni: network.vni,
    mac: lease.mac,
    mtu: network.mtu,
    addresses: subnetsOf(network).map((subnet) => ({
      address: addressAt(subnet, lease.offset),
      prefixLength: subnet.prefixLength,
      ...(i === 0 ? { gateway: addressAt(subnet, GATEWAY_OFFSET) } : {}),
    })),
    ...(ports ? { ingress: ports.flatMap((port) => ruleOf(port, network)) } : {}),
  }));
}

/** Nothing for a port that is for components which are not on this network. */
function ruleOf({ protocol, port, toPort, from }: TemplatePort, network: NetworkRecord): IngressRule[] {
  const range = port === undefined ? {} : { fromPort: port, toPort: toPort ?? port };
  const rule = { protocol, ...range };
  if (from === undefined) return [rule];
  const sources = from.includes('any') ? ANYWHERE : from.flatMap((name) => addressesOf(name, network));
  return sources.length === 0 ? [] : [{ ...rule, from: sources }];
}

/** A network of the site knows nothing of components. */
function addressesOf(component: string, network: NetworkRecord): string[] {
  const block = network.kind === 'service' && network.blocks.find((b) => b.component === component);
  return block ? subnetsOf(network).flatMap((s) => coveringSubnets(s, block.from, block.to)) : [];
}
