import { isIPv4, isIPv6 } from 'node:net';
import type { IngressRule, NetworkAttachment } from '../../domain/network/attachment';
import { type Entry, isSame, type KnownEntry, keyOf, keysOf } from './entries';
import { linkLocalOf } from './names';
import { chain, RARP, TAGGED } from './nft';

/*
 * What may come to a VEE that says what may. The bridge decides by the interface that it is on its way to, whatever it is
 * addressed to: only what is for the VEE's own addresses goes on to where connections are known, and who asks for these
 * addresses is let through. Nothing else is, broadcast and multicast neither.
 */

/** For all. Those that have moved here are in the sets for a while. */
export const ENTERING_BASE = `
add map bridge sluice into { type ifname : verdict ; }
add chain bridge sluice entering { type filter hook forward priority -200 ; policy accept ; }
flush chain bridge sluice entering
add rule bridge sluice entering oifname vmap @into
add table inet sluice
add map inet sluice zones { type ifname : verdict ; }
add map inet sluice to4 { type ifname . ipv4_addr : verdict ; }
add map inet sluice to6 { type ifname . ipv6_addr : verdict ; }
add set inet sluice moved4 { type ifname . ipv4_addr ; flags timeout ; }
add set inet sluice moved6 { type ifname . ipv6_addr ; flags timeout ; }
add chain inet sluice zoning { type filter hook prerouting priority -300 ; policy accept ; }
flush chain inet sluice zoning
add rule inet sluice zoning iifname vmap @zones
add chain inet sluice entering { type filter hook forward priority 0 ; policy accept ; }
flush chain inet sluice entering
add rule inet sluice entering oifname . ip daddr vmap @to4
add rule inet sluice entering oifname . ip6 daddr vmap @to6`;

/** Of the interface's own rules for what is on its way to it. */
const arrivals = (port: string): string => `${port}-in`;

/** @param known what there is of entries, its own and others' */
export function ingressScript(
  port: string,
  entry: Entry,
  attachment: NetworkAttachment,
  ingress: readonly IngressRule[],
  known: readonly KnownEntry[],
): string[] {
  const { bridge, chain: name } = entry;
  return [
    chain('bridge', arrivals(port), arrivalRules(attachment)),
    `add element bridge sluice into { "${port}" : jump ${arrivals(port)} }`,
    // Two networks may use the same addresses: what is known of the connections of one is not known of the other's.
    chain('inet', bridge, [`ct zone set ${1 + (attachment.vni % 65_535)}`]),
    `add element inet sluice zones { "${bridge}" : jump ${bridge} }`,
    chain('inet', name, enteringRules(ingress)),
    ...withoutEntries(entry, attachment, known, name),
    ...keysOf(entry, attachment).map(
      (key) => `add element inet sluice ${key.map} { ${keyOf(key)} : jump ${name} }`,
    ),
  ];
}

export const withoutArrivals = (port: string): string[] => [
  chain('bridge', arrivals(port), []),
  `add element bridge sluice into { "${port}" : jump ${arrivals(port)} }`,
  `delete element bridge sluice into { "${port}" }`,
  `delete chain bridge sluice ${arrivals(port)}`,
];

/** Whoever had its addresses before, and has left rules behind. @param own the chain that stays */
export function withoutEntries(
  entry: Entry,
  attachment: NetworkAttachment,
  known: readonly KnownEntry[],
  own?: string,
): string[] {
  const keys = keysOf(entry, attachment);
  const stale = known.filter((k) => keys.some((key) => isSame(key, k)));
  const chains = new Set(stale.map((k) => k.chain));
  // One that other addresses still lead to stays for them.
  const unused = [...chains].filter(
    (name) => name !== own && !known.some((k) => k.chain === name && !stale.includes(k)),
  );
  return [
    ...stale.map((k) => `delete element inet sluice ${k.map} { ${keyOf(k)} }`),
    ...unused.map((name) => `delete chain inet sluice ${name}`),
    // Where it only gets its rules again, that it has moved stays known.
    ...(chains.has(own ?? '')
      ? []
      : keys.flatMap((key) => [
          `add element inet sluice ${movedOf(key.map)} { ${keyOf(key)} }`,
          `delete element inet sluice ${movedOf(key.map)} { ${keyOf(key)} }`,
        ])),
  ];
}

const movedOf = (map: 'to4' | 'to6'): string => (map === 'to4' ? 'moved4' : 'moved6');

/** Either end asks by then whether the other is still there, if it does so at all (RFC 1122: two hours). */
const MOVED_MINUTES = 180;

/** Of connections that it opened elsewhere nothing is known here; until it has sent something itself, they are let in. */
export const movedScript = (entry: Pick<Entry, 'bridge'>, attachment: NetworkAttachment): string =>
  keysOf(entry, attachment)
    .map((key) => `add element inet sluice ${movedOf(key.map)} { ${keyOf(key)} timeout ${MOVED_MINUTES}m }`)
    .join('\n');

function arrivalRules({ mac, addresses }: NetworkAttachment): string[] {
  const own4 = addresses.map(({ address }) => address).filter((a) => isIPv4(a));
  const own6 = addresses.map(({ address }) => address).filter((a) => isIPv6(a));
  return [
    `ether type ${TAGGED} drop`,
    `ether type { arp, ${RARP} } accept`,
    ...(own4.length > 0 ? [`ether daddr ${mac} ip daddr { ${own4.join(', ')} } accept`] : []),
    ...(own6.length > 0
      ? [
          // Who asks for its address does so by multicast.
          'icmpv6 type { 135, 136 } accept',
          `ether daddr ${mac} ip6 daddr { ${[...own6, linkLocalOf(mac)].join(', ')} } accept`,
        ]
      : []),
    'drop',
  ];
}

const BEGINS = 'tcp flags & (syn | ack) == syn';
const GOES_ON = 'tcp flags & (syn | ack) == ack';

/**
 * Answers always come in. IPv6 does not work at all without its neighbour messages. Nothing that begins a connection is
 * taken for part of one that is known: so what looks like the middle of one opens none.
 */
function enteringRules(ingress: readonly IngressRule[]): string[] {
  const allowed = ingress.flatMap((rule) =>
    sourcesOf(rule).map((source) => `${source}${serviceOf(rule)} accept`),
  );
  return [
    'meta l4proto != tcp ct state established,related accept',
    `${BEGINS.replace('==', '!=')} ct state established,related accept`,
    'icmpv6 type { 133, 134, 135, 136 } accept',
    ...allowed,
    `oifname . ip daddr @moved4 ${GOES_ON} accept`,
    `oifname . ip6 daddr @moved6 ${GOES_ON} accept`,
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
