import type { Neighbour, NetworkAttachment } from '../network/attachment';
import type { VeeTemplate } from '../vee/vee';
import { referencesIn } from './references';
import type { KnownAddress } from './resolve';

/** A VEE of the same service, with where it is reached. */
export interface Member {
  readonly component: string;
  readonly index: number;
  readonly networks?: readonly NetworkAttachment[];
}

/** Of which other components the values of a template name addresses, and whether of all of their members. */
export function componentsNamed({ environment, context = {} }: Pick<VeeTemplate, 'environment' | 'context'>) {
  const values = [
    ...Object.values(environment),
    context.userData ?? '',
    ...(context.files ?? []).map((f) => f.content),
  ];
  const named = new Map<string, boolean>();
  for (const { reference } of values.flatMap(referencesIn))
    if (reference?.kind === 'address' && reference.component !== undefined)
      named.set(reference.component, (named.get(reference.component) ?? false) || reference.all);
  return named;
}

/**
 * With those on each network whose addresses the VEE is to be told, the lowest index first.
 * @param members of the components that are named; of two with one index the first counts
 */
export function withNeighbours(
  networks: readonly NetworkAttachment[],
  named: ReadonlyMap<string, boolean>,
  members: readonly Member[],
): NetworkAttachment[] {
  return networks.map((network) => {
    const neighbours = [...named].flatMap(([component, all]) => {
      const found = new Map<number, Neighbour>();
      for (const member of members) {
        if (member.component !== component || found.has(member.index)) continue;
        const there = member.networks?.find((n) => n.networkId === network.networkId)?.addresses[0];
        if (there) found.set(member.index, { component, index: member.index, address: there.address });
      }
      const ordered = [...found.values()].sort((a, b) => a.index - b.index);
      return all ? ordered : ordered.slice(0, 1);
    });
    return neighbours.length > 0 ? { ...network, neighbours } : network;
  });
}

/** What a VEE knows of addresses: its own, and those that it is to be told. */
export const knownTo = ({ component, index, networks = [] }: Member): KnownAddress[] =>
  networks.flatMap(({ name: network, addresses, neighbours = [] }) => [
    ...addresses.slice(0, 1).map(({ address }) => ({ component, index, network, address })),
    ...neighbours.map((n) => ({ ...n, network })),
  ]);
