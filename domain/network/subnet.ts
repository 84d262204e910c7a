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
/** Where VEEs may be: of IPv6 what is private or global. Of that and of all IPv4, less what has a meaning of its own. */
const USUAL = { ipv4: ['0.0.0.0/0'], ipv6: ['fc00::/7', '2000::/3'] } as const;
const SPECIAL: Readonly<Record<Subnet['family'], readonly (readonly [cidr: string, use: string])[]>> = {
  ipv4: [
    ['0.0.0.0/8', 'this network'],
    ['100.64.0.0/10', 'shared by providers'],
    ['127.0.0.0/8', 'loopback'],
    ['169.254.0.0/16', 'link-local'],
    ['192.0.0.0/24', 'protocols'],
    ['192.0.2.0/24', 'examples'],
    ['192.88.99.0/24', 'relays'],
    ['198.18.0.0/15', 'measurements'],
    ['198.51.100.0/24', 'examples'],
    ['203.0.113.0/24', 'examples'],
    ['224.0.0.0/4', 'multicast'],
    ['240.0.0.0/4', 'reserved'],
  ],
  ipv6: [
    ['2001::/23', 'protocols'],
    ['2001:db8::/32', 'examples'],
    ['2002::/16', '6to4'],
    ['3fff::/20', 'examples'],
  ],
};

/** @returns the subnet, or why the text is none that VEEs could be in */
export function readSubnet(cidr: string, family: Subnet['family']): Subnet | string {
  const subnet = parse(cidr, family);
  if (typeof subnet === 'string') return subnet;
  const special = SPECIAL[family].find(([range]) => overlap(rangeOf(range, family), subnet));
  if (special) return `${cidr} is for other uses (${special[0]}: ${special[1]})`;
  const usual = USUAL[family].some((range) => holds(rangeOf(range, family), subnet));
  return usual ? subnet : `${cidr} is for other uses (VEEs may be in ${USUAL[family].join(' and ')})`;
}

function parse(cidr: string, family: Subnet['family']): Subnet | string {
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
  return subnet;
}

/** One that was checked before, by what held then. @throws TypeError when it is none */
export function subnetOf(cidr: string, family: Subnet['family']): Subnet {
  const subnet = parse(cidr, family);
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

const holds = (a: Subnet, b: Subnet): boolean => a.base <= b.base && b.base + span(b) <= a.base + span(a);

/** @param cidr of any length, which subnets of VEEs are not */
function rangeOf(cidr: string, family: Subnet['family']): Subnet {
  const [address, prefixLength] = (family === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6).parseCIDR(cidr);
  return { family, base: numberOf(address.toByteArray()), prefixLength };
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
