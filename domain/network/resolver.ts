import type { NetworkAttachment } from './attachment';
import { GATEWAY_OFFSET, numberedIn } from './subnet';

/** More of them the C library does not read. */
const MOST_RESOLVERS = 3;

/** Whom a VEE on these networks asks for names: at the gateway's address of each, by the order of networks. */
export const resolversOf = (networks: readonly Pick<NetworkAttachment, 'addresses'>[] = []): string[] =>
  networks
    .flatMap(({ addresses }) => addresses.slice(0, 1))
    .slice(0, MOST_RESOLVERS)
    .map(({ address, prefixLength }) => numberedIn(address, prefixLength, GATEWAY_OFFSET));

/** For `/etc/resolv.conf`. It asks again soon: for a moment after it has moved to another host, none may answer. */
export const resolverFile = (resolvers: readonly string[]): string =>
  [...resolvers.map((address) => `nameserver ${address}`), 'options timeout:1 attempts:4', ''].join('\n');
