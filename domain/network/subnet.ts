import ipaddr from 'ipaddr.js';

/** A range of addresses with a common prefix, of either family. */
export interface Subnet {
  readonly family: 'ipv4' | 'ipv6';
  readonly base: bigint;
  readonly prefixLength: number;
}

/** Of an IPv6 subnet no more is given out: by number an address is the same in both families of a network. */
export const MOST_ADDRESSES = 2 ** 20;
/** The network's own number and its gateway's come first; in IPv4 the last is for broadcasts. */
export const FIRST_OFFSET = 2;
export const GATEWAY_OFFSET = 1;

const BITS = { ipv4: 32, ipv6: 128 } as const;
/** The smallest have room for one VEE and little more, the largest are 10.0.0.0/8 and what a site is usually given. */
const PREFIXES = { ipv4: [8, 29], ipv6: [48, 120] } as const;
const NOT_FOR_HOSTS = ['unspecified', 'broadcast', 'multicast', 'linkLocal', 'loopback', 'reserved'];

/** @returns the subnet, or why the text is none that VEEs could be in */
export function readSubnet(cidr: string, family: Subnet['family']): Subnet | string {
  const lib = family === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6;
  const sound =
    family === 'ipv4' ? ipaddr.IPv4.isValidCIDRFourPartDecimal(cidr) : ipaddr.IPv6.isValidCIDR(cidr);
  const name = family === 'ipv4' ? 'IPv4' : 'IPv6';
  const sample = family === 'ipv4' ? '10.20.0.0/24' : 'fd00:20::/64';
  if (!sound || cidr.includes('%')) return `"${cidr}" is no ${name} subnet, such as ${sample}`;
  const [address, prefixLength] = lib.parseCIDR(cidr);
  const [least, most] = PREFIXES[family];
  if (prefixLength < least || prefixLength > most)
    return `the prefix of ${cidr} has to be between /${least} and /${most}`;
  const subnet = { family, base: numberOf(address.toByteArray()), prefixLength };
  if (subnet.base % span(subnet) !== 0n)
    return `${cidr} is an address in a subnet; the subnet is ${subnetText({ ...subnet, base: subnet.base - (subnet.base % span(subnet)) })}`;
  const range = address.range();
  if (NOT_FOR_HOSTS.includes(range)) return `${cidr} is for other uses (${range})`;
  return subnet;
}

/** @throws TypeError when it is none: it was checked before */
export function subnetOf(cidr: string, family: Subnet['family']): Subnet {
  const subnet = readSubnet(cidr, family);
  if (typeof subnet === 'string') throw new TypeError(subnet);
  return subnet;
}

/** The address of this number in a subnet. */
export const addressAt = (subnet: Subnet, offset: number): string =>
  textOf(subnet.base + BigInt(offset), subnet.family);

/** The address of this number in the subnet that an address is in. */
export function numberedIn(address: string, prefixLength: number, offset: number): string {
  const parsed = ipaddr.parse(address);
  const number = numberOf(parsed.toByteArray());
  const subnet = { family: parsed.kind(), base: number, prefixLength };
  return addressAt({ ...subnet, base: number - (number % span(subnet)) }, offset);
}

export const subnetText = (subnet: Subnet): string =>
  `${textOf(subnet.base, subnet.family)}/${subnet.prefixLength}`;

/** The first number that is no VEE's any more: so many could be given out, less those before `FIRST_OFFSET`. */
export function endOf(subnets: readonly Subnet[]): number {
  const ends = subnets.map((s) => {
    const size = span(s) > BigInt(MOST_ADDRESSES) ? MOST_ADDRESSES : Number(span(s));
    return s.family === 'ipv4' ? size - 1 : size;
  });
  return Math.min(...ends);
}

export function overlap(a: Subnet, b: Subnet): boolean {
  if (a.family !== b.family) return false;
  return a.base < b.base + span(b) && b.base < a.base + span(a);
}

/** The fewest subnets that together are the addresses of these numbers, `to` not among them. */
export function coveringSubnets(subnet: Subnet, from: number, to: number): string[] {
  const found: string[] = [];
  for (let at = subnet.base + BigInt(from), end = subnet.base + BigInt(to); at < end; ) {
    let size = 1n;
    while (at % (size * 2n) === 0n && at + size * 2n <= end) size *= 2n;
    const prefixLength = BITS[subnet.family] - (size.toString(2).length - 1);
    found.push(subnetText({ family: subnet.family, base: at, prefixLength }));
    at += size;
  }
  return found;
}

const span = ({ family, prefixLength }: Subnet): bigint => 1n << BigInt(BITS[family] - prefixLength);

const numberOf = (bytes: readonly number[]): bigint =>
  bytes.reduce((n, byte) => (n << 8n) | BigInt(byte), 0n);

function textOf(address: bigint, family: Subnet['family']): string {
  const count = BITS[family] / 8;
  const bytes = Array.from({ length: count }, (_, i) =>
    Number((address >> BigInt(8 * (count - 1 - i))) & 0xffn),
  );
  const parsed = ipaddr.fromByteArray(bytes);
  return parsed.kind() === 'ipv6' ? (parsed as ipaddr.IPv6).toRFC5952String() : parsed.toString();
}
