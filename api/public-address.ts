import { lookup } from 'node:dns';
import type { LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';

/** Is it an address of the public network, rather than this machine's, a private network's or one of a special use? */
export function isPublicAddress(address: string): boolean {
  // An IPv4 address in the dress of IPv6 is looked at as what it is.
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'unicast';
}

/** Resolves names as all connections do, but for those that lead to no public address: the connection then fails. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, found) => {
    if (error) return callback(error, []);
    const shut = found.find(({ address }) => !isPublicAddress(address));
    if (shut) return callback(new Error(`${hostname} is ${shut.address}, which is not public.`), []);
    const [first] = found;
    return options.all || !first ? callback(null, found) : callback(null, first.address, first.family);
  });
};
