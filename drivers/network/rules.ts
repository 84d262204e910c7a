import { isIPv4, isIPv6 } from 'node:net';
import type { NetworkAttachment } from '../../domain/network/attachment';
import { ENTERING_BASE, ingressScript, withoutArrivals, withoutEntries } from './entering';
import { type Entry, hexOf, type KnownEntry } from './entries';
import { linkLocalOf, RESOLVER_MAC } from './names';
import { chain, RARP, TAGGED } from './nft';

/*
 * The rules of a host as scripts for nft, each of which is applied whole or not at all. Two tables are ours: `bridge
 * sluice` sees what leaves a VEE, before the bridge learns from it; `inet sluice` sees what is on its way to one, and
 * there connections are known (the bridge family knows none on every kernel). Nothing on a network is for the host itself:
 * else it would answer for each address that it has, and take packets, those of a VXLAN too, from whoever asks.
 */
export const TABLES = ['bridge sluice', 'inet sluice'] as const;

/** What holds on all networks. Of names each host answers its own VEEs, and no other host's: all answer at one address. */
export const BASE = `
add table bridge sluice
add map bridge sluice from { type ifname : verdict ; }
add chain bridge sluice leaving { type filter hook prerouting priority -300 ; policy accept ; }
flush chain bridge sluice leaving
add rule bridge sluice leaving iifname vmap @from
add chain bridge sluice host { type filter hook input priority -300 ; policy accept ; }
flush chain bridge sluice host
add rule bridge sluice host iifname { "slv*", "slt*", "slx*", "sld*" } drop
add chain bridge sluice crossing { type filter hook forward priority -300 ; policy accept ; }
flush chain bridge sluice crossing
add rule bridge sluice crossing iifname "slx*" oifname "sld*" drop
add rule bridge sluice crossing oifname "slx*" iifname "sld*" drop
add rule bridge sluice crossing oifname "slx*" ether daddr ${RESOLVER_MAC} drop${ENTERING_BASE}
`;

/**
 * What may leave the interface, and, where it has such rules, what may come to it. Applied again, it changes nothing.
 * @param known what there is of entries, which may be in the way of its own
 */
export function portRules(
  port: string,
  entry: Entry,
  attachment: NetworkAttachment,
  known: readonly KnownEntry[] = [],
): string {
  const { ingress } = attachment;
  return [
    BASE,
    chain('bridge', port, leavingRules(attachment)),
    `add element bridge sluice from { "${port}" : jump ${port} }`,
    ...(ingress
      ? ingressScript(port, entry, attachment, ingress, known)
      : [...withoutArrivals(port), ...withoutEntries(entry, attachment, known)]),
  ].join('\n');
}

/** Takes them away; fine when there are none. What is added first is there to be deleted. */
export function withoutPort(
  port: string,
  entry: Entry | undefined,
  attachment: NetworkAttachment,
  known: readonly KnownEntry[] = [],
): string {
  return [
    BASE,
    chain('bridge', port, []),
    `add element bridge sluice from { "${port}" : jump ${port} }`,
    `delete element bridge sluice from { "${port}" }`,
    `delete chain bridge sluice ${port}`,
    ...withoutArrivals(port),
    ...(entry ? withoutEntries(entry, attachment, known) : []),
  ].join('\n');
}

/** Nothing of ours is left, once no VEE is. */
export const withoutTables = TABLES.flatMap((table) => [`add table ${table}`, `delete table ${table}`]).join(
  '\n',
);

export const withoutZone = (bridge: string): string =>
  [
    BASE,
    chain('inet', bridge, []),
    `add element inet sluice zones { "${bridge}" : jump ${bridge} }`,
    `delete element inet sluice zones { "${bridge}" }`,
    `delete chain inet sluice ${bridge}`,
  ].join('\n');

const NEIGHBOUR_ADVERTISEMENT = 136;
/** Each goes to every VEE of the network, on whichever host. */
const BROADCASTS_PER_SECOND = 200;
const BROADCASTS_AT_ONCE = 2 * BROADCASTS_PER_SECOND;
/** By one VEE on one network. */
const ASKED_PER_SECOND = 500;

/**
 * By its own hardware address and its own addresses only, also where it answers who has one; and nobody is a router or
 * gives addresses out.
 */
function leavingRules({ mac, addresses }: NetworkAttachment): string[] {
  const own4 = addresses.map(({ address }) => address).filter((a) => isIPv4(a));
  const own6 = addresses.map(({ address }) => address).filter((a) => isIPv6(a));
  const all6 = [...own6, linkLocalOf(mac)];
  return [
    `ether type ${TAGGED} drop`,
    `ether saddr != ${mac} drop`,
    `meta pkttype { broadcast, multicast } limit rate over ${BROADCASTS_PER_SECOND}/second burst ${BROADCASTS_AT_ONCE} packets drop`,
    // The agent itself answers: whoever asks without end must not keep it from its work.
    `ether daddr ${RESOLVER_MAC} limit rate over ${ASKED_PER_SECOND}/second burst ${ASKED_PER_SECOND} packets drop`,
    `ether type arp arp saddr ether != ${mac} drop`,
    // A probe for an address that it is about to use comes from none (RFC 5227).
    `ether type arp arp saddr ip { ${['0.0.0.0', ...own4].join(', ')} } accept`,
    'udp sport { 67, 547 } drop',
    // Whatever it is sent from, to those who wait for an address.
    'udp dport { 68, 546 } drop',
    ...(own4.length > 0 ? [`ip saddr { ${own4.join(', ')} } accept`] : []),
    // Router advertisements and redirects (RFC 4861).
    'icmpv6 type { 134, 137 } drop',
    ...(own6.length > 0
      ? [
          // The address that it says is its own stands behind the first eight bytes.
          ...all6.map(
            (a) => `icmpv6 type ${NEIGHBOUR_ADVERTISEMENT} @th,64,128 0x${hexOf(a)} ip6 saddr ${a} accept`,
          ),
          `icmpv6 type ${NEIGHBOUR_ADVERTISEMENT} drop`,
          `ip6 saddr { ${['::', ...all6].join(', ')} } accept`,
        ]
      : []),
    `ether type ${RARP} accept`,
    'drop',
  ];
}
