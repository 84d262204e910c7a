import type { NetworkRecord } from './model';

/** What a name stands for on one network. */
export interface NetworkName {
  /** Without a dot at its end; lower case. */
  readonly name: string;
  readonly addresses: readonly string[];
}

/** A VEE as far as it is called by a name. */
export interface NamedVee {
  readonly component: string;
  readonly index: number;
  readonly service: string;
  readonly tenant: string;
  readonly addresses: readonly string[];
}

/** Of one part of a name, by DNS. */
const MOST_CHARACTERS = 63;

/**
 * `app-0.shop` for one VEE and `app.shop` for all of a component. On a network of the site, where services of several tenants
 * may be called alike, the tenant comes last: `app-0.shop.acme`. While one takes another's place both are meant.
 */
export function namesOn({ kind }: Pick<NetworkRecord, 'kind'>, vees: readonly NamedVee[]): NetworkName[] {
  const found = new Map<string, string[]>();
  for (const { component, index, service, tenant, addresses } of vees) {
    const parent = kind === 'site' ? `${service}.${tenant}` : service;
    for (const label of [component, `${component}-${index}`]) {
      if (label.length > MOST_CHARACTERS) continue;
      const name = `${label}.${parent}`;
      found.set(name, [...(found.get(name) ?? []), ...addresses]);
    }
  }
  return [...found]
    .map(([name, addresses]) => ({ name, addresses }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** All that hosts are told to answer by what VEEs are called on one network. */
export interface NamedNetwork {
  readonly networkId: string;
  readonly vni: number;
  /** Subnets; of the two at least one. */
  readonly ipv4?: string | undefined;
  readonly ipv6?: string | undefined;
  readonly names: readonly NetworkName[];
  /** Who of those on it are on others as well. */
  readonly several?: readonly OnSeveral[] | undefined;
}

export interface OnSeveral {
  /** On this network. */
  readonly addresses: readonly string[];
  /** Identifiers of all that it is on. */
  readonly networks: readonly string[];
}
