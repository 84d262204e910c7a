import { isIPv4, isIPv6 } from 'node:net';
import type { IngressRule, NetworkAttachment } from '../../domain/network/attachment';
import { linkLocalOf } from './names';

/*
 * The rules of a host as scripts for nft, each of which is applied whole or not at all. Two tables are ours: `bridge
 * sluice` sees what leaves a VEE, before the bridge learns from it; `inet sluice` sees what is on its way to one, and
 * there connections are known (the bridge family knows none on every kernel). Nothing on a network is for the host itself:
 * else it would answer for each address that it has, and take packets, those of a VXLAN too, from whoever asks.
 */
export const TABLES = ['bridge sluice', 'inet sluice'] as const;

/** Which rules hold for what comes to a VEE by a bridge. */
export interface Entry {
  readonly bridge: string;
  readonly chain: string;
}

const BASE = `
add table bridge sluice
add map bridge sluice from { type ifname : verdict ; }
add chain bridge sluice leaving { type filter hook prerouting priority -300 ; policy accept ; }
flush chain bridge sluice leaving
add rule bridge sluice leaving iifname vmap @from
add chain bridge sluice host { type filter hook input priority -300 ; policy accept ; }
flush chain bridge sluice host
add rule bridge sluice host iifname { "slv*", "slt*", "slx*" } drop
add table inet sluice
add map inet sluice zones { type ifname : verdict ; }
add map inet sluice to4 { type ifname . ipv4_addr : verdict ; }
add map inet sluice to6 { type ifname . ipv6_addr : verdict ; }
add chain inet sluice zoning { type filter hook prerouting priority -300 ; policy accept ; }
flush chain inet sluice zoning
add rule inet sluice zoning iifname vmap @zones
add chain inet sluice entering { type filter hook forward priority 0 ; policy accept ; }
flush chain inet sluice entering
add rule inet sluice entering oifname . ip daddr vmap @to4
add rule inet sluice entering oifname . ip6 daddr vmap @to6
`;

/** What may leave the interface, and, where it has such rules, what may come to it. Applied again, it changes nothing. */
export function portRules(port: string, entry: Entry, attachment: NetworkAttachment): string {
  return [
    BASE,
    chain('bridge', port, leavingRules(attachment)),
    `add element bridge sluice from { "${port}" : jump ${port} }`,
    ...(attachment.ingress ? ingressScript(entry, attachment, attachment.ingress) : []),
  ].join('\n');
}

/** Takes them away; fine when there are none. What is added first is there to be deleted. */
export function withoutPort(port: string, entry: Entry | undefined, attachment: NetworkAttachment): string {
  return [
    BASE,
    chain('bridge', port, []),
    `add element bridge sluice from { "${port}" : jump ${port} }`,
    `delete element bridge sluice from { "${port}" }`,
    `delete chain bridge sluice ${port}`,
    ...(entry && attachment.ingress ? withoutEntry(entry, attachment) : []),
  ].join('\n');
}

const withoutEntry = (entry: Entry, attachment: NetworkAttachment): string[] => [
  chain('inet', entry.chain, []),
  ...entriesOf(entry, attachment).flatMap(({ map, key }) => [
    `add element inet sluice ${map} { ${key} : jump ${entry.chain} }`,
    `delete element inet sluice ${map} { ${key} }`,
  ]),
  `delete chain inet sluice ${entry.chain}`,
];

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

const chain = (family: string, name: string, rules: readonly string[]): string =>
  [
    `add chain ${family} sluice ${name}`,
    `flush chain ${family} sluice ${name}`,
    ...rules.map((rule) => `add rule ${family} sluice ${name} ${rule}`),
  ].join('\n');

const RARP = '0x8035';
const NEIGHBOUR_ADVERTISEMENT = 136;

/**
 * By its own hardware address and its own addresses only, also where it answers who has one; and nobody is a router or
 * gives addresses out. RARP is how QEMU tells the bridges where a machine has gone to.
 */
function leavingRules({ mac, addresses }: NetworkAttachment): string[] {
  const own4 = addresses.map(({ address }) => address).filter((a) => isIPv4(a));
  const own6 = addresses.map(({ address }) => address).filter((a) => isIPv6(a));
  const all6 = [...own6, linkLocalOf(mac)];
  return [
    `ether saddr != ${mac} drop`,
    `ether type arp arp saddr ether != ${mac} drop`,
    // A probe for an address that it is about to use comes from none (RFC 5227).
    `ether type arp arp saddr ip { ${['0.0.0.0', ...own4].join(', ')} } accept`,
    'udp sport 67 drop',
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

function ingressScript(
  entry: Entry,
  attachment: NetworkAttachment,
  ingress: readonly IngressRule[],
): string[] {
  const { bridge, chain: name } = entry;
  return [
    // Two networks may use the same addresses: what is known of the connections of one is not known of the other's.
    chain('inet', bridge, [`ct zone set ${1 + (attachment.vni % 65_535)}`]),
    `add element inet sluice zones { "${bridge}" : jump ${bridge} }`,
    chain('inet', name, enteringRules(ingress)),
    ...entriesOf(entry, attachment).map(
      ({ map, key }) => `add element inet sluice ${map} { ${key} : jump ${name} }`,
    ),
  ];
}

const entriesOf = ({ bridge }: Entry, { addresses }: NetworkAttachment) =>
  addresses.map(({ address }) => ({ map: isIPv4(address) ? 'to4' : 'to6', key: `"${bridge}" . ${address}` }));

/** Answers always come in. IPv6 does not work at all without its neighbour messages. */
function enteringRules(ingress: readonly IngressRule[]): string[] {
  return [
    'ct state established,related accept',
    'icmpv6 type { 133, 134, 135, 136 } accept',
    ...ingress.flatMap((rule) => sourcesOf(rule).map((source) => `${source}${serviceOf(rule)} accept`)),
    'drop',
  ];
}

function sourcesOf({ from }: IngressRule): string[] {
  if (from === undefined) return [''];
  const of = (family: string, ranges: readonly string[]) =>
    ranges.map((range) => `${family} saddr ${range} `);
  return [
    ...of(
      'ip',
      from.filter((r) => !r.includes(':')),
    ),
    ...of(
      'ip6',
      from.filter((r) => r.includes(':')),
    ),
  ];
}

function serviceOf({ protocol, fromPort, toPort }: IngressRule): string {
  if (protocol === 'icmp') return 'meta l4proto { icmp, ipv6-icmp }';
  const [first, last] = [fromPort ?? toPort, toPort ?? fromPort];
  if (first === undefined) return `meta l4proto ${protocol}`;
  return `${protocol} dport ${first === last ? first : `${first}-${last}`}`;
}

/** All 32 digits of an IPv6 address. */
function hexOf(address: string): string {
  const [head = '', tail] = withoutDots(address).split('::');
  const words = (part = '') => (part === '' ? [] : part.split(':'));
  const [before, after] = [words(head), words(tail)];
  const middle =
    tail === undefined ? [] : Array.from({ length: 8 - before.length - after.length }, () => '0');
  return [...before, ...middle, ...after].map((w) => w.padStart(4, '0')).join('');
}

/** The last two words may be written like an IPv4 address. */
function withoutDots(address: string): string {
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  if (!dotted) return address;
  const [a = 0, b = 0, c = 0, d = 0] = dotted.slice(1).map(Number);
  return `${address.slice(0, dotted.index)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
