import type { NetworkAttachment } from '../../domain/network/attachment';

/** What sets up an interface inside of what it belongs to. */
export function interfaceCommands({ addresses }: NetworkAttachment, index: number): string[] {
  const device = `eth${index}`;
  return [
    // No two are given the same address, so there is no need to wait for whoever might object.
    ...addresses.map(
      ({ address, prefixLength }) =>
        `addr add ${address}/${prefixLength} dev ${device}${address.includes(':') ? ' nodad' : ''}`,
    ),
    `link set ${device} up`,
    ...addresses.flatMap(({ gateway }) =>
      gateway === undefined ? [] : [`route replace default via ${gateway} dev ${device}`],
    ),
  ];
}
