import type { NamedNetwork } from './names';

/** What names stand for, by network. */
export type NameTables = ReadonlyMap<string, NameTable>;

interface NameTable {
  readonly names: ReadonlyMap<string, readonly string[]>;
  /** By the addresses of who asks: the networks on which it is, too. */
  readonly askers: ReadonlyMap<string, readonly string[]>;
}

export const nameTablesOf = (networks: readonly NamedNetwork[]): NameTables =>
  new Map(
    networks.map(({ networkId, names, several = [] }) => [
      networkId,
      {
        names: new Map(names.map(({ name, addresses }) => [name, addresses])),
        askers: new Map(several.flatMap((s) => s.addresses.map((address) => [address, s.networks] as const))),
      },
    ]),
  );

/** `elsewhere`: it may be a name on a network of which nothing is known here, and on which whoever asks is as well. */
export type Found = readonly string[] | 'unknown' | 'elsewhere';

/**
 * What a name stands for to whoever asks on a network: first there, then on the others that it is on. Of networks that it is
 * not on it learns nothing, not even that there is such a name.
 * @param name without a dot at its end
 * @param from its address, which no other can send from
 */
export function lookUp(tables: NameTables, on: string, from: string, name: string): Found {
  const asked = name.toLowerCase();
  const others = tables.get(on)?.askers.get(from) ?? [];
  for (const network of [on, ...others]) {
    const addresses = tables.get(network)?.names.get(asked);
    if (addresses) return addresses;
  }
  return others.every((network) => tables.has(network)) ? 'unknown' : 'elsewhere';
}
