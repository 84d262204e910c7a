import { isIPv4, isIPv6 } from 'node:net';
import type { NetworkAttachment } from '../../domain/network/attachment';
import { isPort, linkLocalOf } from './names';
import type { Link } from './tools';

/*
 * Which rules hold for what comes to an address: maps of nft from bridge and address to a chain. An agent that was killed,
 * or one of an older release, may have left some there, so they are looked up and never taken for granted.
 */

/** Which rules hold for what comes to a VEE by a bridge. */
export interface Entry {
  readonly bridge: string;
  readonly chain: string;
}

/** One that is there. */
export interface KnownEntry extends Entry {
  readonly map: EntryMap;
  /** As nft writes it, which is the shortest. */
  readonly address: string;
}

type EntryMap = 'to4' | 'to6';
type Key = Omit<KnownEntry, 'chain'>;

export const keyOf = ({ bridge, address }: Omit<Key, 'map'>): string => `"${bridge}" . ${address}`;

/** An interface that may use IPv6 has the address that it gave itself, too. */
export function keysOf({ bridge }: Pick<Entry, 'bridge'>, { mac, addresses }: NetworkAttachment): Key[] {
  const own = addresses.map(({ address }) => address);
  const all = own.some((a) => isIPv6(a)) ? [...own, linkLocalOf(mac)] : own;
  return all.map((address) => ({ map: isIPv4(address) ? 'to4' : 'to6', bridge, address }));
}

/** Are they the same, however an IPv6 address is written? */
export const isSame = (a: Omit<Key, 'map'>, b: Omit<Key, 'map'>): boolean =>
  a.bridge === b.bridge && digitsOf(a.address) === digitsOf(b.address);

const digitsOf = (address: string): string => (isIPv4(address) ? address : hexOf(address));

/** What nft has: of an answer to `list`, as JSON. */
export interface Listed {
  readonly nftables: readonly {
    readonly map?: { readonly name: string; readonly elem?: readonly unknown[] };
    readonly chain?: { readonly name: string };
    readonly rule?: { readonly chain: string; readonly expr: unknown };
  }[];
}

type Element = readonly [{ readonly concat: readonly string[] } | string, { jump: { target: string } }];

const elementsOf = ({ nftables }: Listed, map: string): Element[] =>
  nftables.flatMap((o) => (o.map?.name === map ? ((o.map.elem ?? []) as Element[]) : []));

/** @param maps those of the table `inet sluice`; undefined where there is none */
export function entriesIn(maps: Listed | undefined): KnownEntry[] {
  return (['to4', 'to6'] as const).flatMap((map) =>
    (maps ? elementsOf(maps, map) : []).map(([key, verdict]) => {
      const [bridge = '', address = ''] = typeof key === 'string' ? [] : key.concat;
      return { map, bridge, address, chain: verdict.jump.target };
    }),
  );
}

/**
 * Takes away what belongs to no interface that is there: those of a container go with it, and the agent may have died
 * before it could remove the rest.
 * @param bridge the table `bridge sluice`
 * @param inet the table `inet sluice`
 * @param links all devices, whichever host of this machine they belong to
 * @returns a script for nft; undefined when there is nothing
 */
export function leftoverScript(bridge: Listed, inet: Listed, links: readonly Link[]): string | undefined {
  const isThere = (device: string) => links.some(({ ifname }) => ifname === device);
  const names = ({ nftables }: Listed) => nftables.flatMap(({ chain }) => (chain ? [chain.name] : []));
  const chains = names(bridge).filter((name) => isPort(name) && !isThere(name.replace(/-in$/, '')));
  const entries = entriesIn(inet);
  const kept = entries.filter((e) =>
    links.some((l) => l.master === e.bridge && isPort(l.ifname) && maySend(bridge, l.ifname, e.address)),
  );
  const unused = names(inet).filter(
    (name) => name.startsWith('sli') && !kept.some(({ chain }) => chain === name),
  );
  const zones = elementsOf(inet, 'zones').flatMap(([key]) =>
    typeof key === 'string' && !isThere(key) ? [key] : [],
  );
  const stray = (map: string) =>
    elementsOf(bridge, map).flatMap(([key]) => (typeof key === 'string' && !isThere(key) ? [key] : []));
  const script = [
    ...(['from', 'into'] as const).flatMap((map) =>
      stray(map).map((port) => `delete element bridge sluice ${map} { "${port}" }`),
    ),
    ...chains.map((name) => `delete chain bridge sluice ${name}`),
    ...entries
      .filter((e) => !kept.includes(e))
      .map((e) => `delete element inet sluice ${e.map} { ${keyOf(e)} }`),
    ...zones.map((name) => `delete element inet sluice zones { "${name}" }`),
    ...[...unused, ...zones].map((name) => `delete chain inet sluice ${name}`),
  ];
  return script.length === 0 ? undefined : script.join('\n');
}

/** May the interface send by this address, as its rules say? */
const maySend = ({ nftables }: Listed, port: string, address: string): boolean =>
  nftables.some(({ rule }) => rule?.chain === port && JSON.stringify(rule.expr).includes(`"${address}"`));

/** All 32 digits of an IPv6 address. */
export function hexOf(address: string): string {
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
