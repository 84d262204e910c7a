import { ampleFor, type BlockNeed } from './blocks';
import { overlap, readSubnet, type Subnet, subnetOf, subnetText } from './subnet';

/** Of the pool whole /24s are taken, and known by their first 24 bits. */
const UNIT = 256;
const UNIT_PREFIX = 24;
/** 65,536 addresses: more than a service may have VEEs. */
const LARGEST_PREFIX = 16;

/** Seldom used by others: most take the lower half of 10.0.0.0/8, as containers take 172.16.0.0/12. */
export const DEFAULT_NETWORK_POOL = '10.128.0.0/9';

/** Why a pool can't be cut into subnets; undefined for one that can. */
export function poolFault(pool: string): string | undefined {
  const subnet = readSubnet(pool, 'ipv4');
  if (typeof subnet === 'string') return subnet;
  return subnet.prefixLength > UNIT_PREFIX ? `${pool} is smaller than a /${UNIT_PREFIX}` : undefined;
}

/** Where subnets are taken from that a manifest does not name. */
export interface NetworkPool {
  readonly subnet: string;
  /** How many /24s of it a tenant may have; absent: `usualShare`. */
  readonly perTenant?: number | undefined;
}

/** So many /24s of the pool one tenant may have, so that others have some too, unless the site says another number. */
export function usualShare(pool: string): number {
  const { prefixLength } = subnetOf(pool, 'ipv4');
  return Math.max(16, 2 ** (UNIT_PREFIX - prefixLength) / 4);
}

export interface PoolPart {
  readonly ipv4: string;
  readonly units: readonly number[];
}

/**
 * The lowest part of the pool that is large enough and of which nothing is taken; nothing when there is none.
 * @param pool an IPv4 subnet of at least a /24
 * @param avoid what those who are on the network reach otherwise
 */
export function partOfPool(
  pool: string,
  taken: ReadonlySet<number>,
  needs: readonly BlockNeed[],
  avoid: readonly Subnet[] = [],
): PoolPart | undefined {
  const { base, prefixLength } = subnetOf(pool, 'ipv4');
  const size = unitsFor(needs);
  const first = Number(base / BigInt(UNIT));
  const end = first + 2 ** (UNIT_PREFIX - prefixLength);
  for (let at = first; at + size <= end; at += size) {
    const units = Array.from({ length: size }, (_, i) => at + i);
    if (units.some((u) => taken.has(u))) continue;
    const subnet: Subnet = {
      family: 'ipv4',
      base: BigInt(at) * BigInt(UNIT),
      prefixLength: UNIT_PREFIX - Math.log2(size),
    };
    if (avoid.some((a) => overlap(a, subnet))) continue;
    return { ipv4: subnetText(subnet), units };
  }
  return undefined;
}

/** A power of two: only such parts are subnets. */
function unitsFor(needs: readonly BlockNeed[]): number {
  const most = 2 ** (UNIT_PREFIX - LARGEST_PREFIX);
  let units = 1;
  while (units < most && units * UNIT < ampleFor(needs)) units *= 2;
  return units;
}
