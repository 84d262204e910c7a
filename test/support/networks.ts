import type { NetworkAttachment } from '../../domain/network/attachment';

/** On network `net`, the address with this last number; both say who it is in the VEE's hardware address, too. */
export const attachedTo = (
  net: number,
  last: number,
  more: Partial<NetworkAttachment> = {},
): NetworkAttachment => ({
  networkId: `net-${net}`,
  name: `n${net}`,
  vni: 4_000 + net,
  mac: `02:00:00:00:0${net}:0${last}`,
  mtu: 1_450,
  addresses: [
    { address: `10.77.${net}.${last}`, prefixLength: 24 },
    { address: `fd77:${net}::${last}`, prefixLength: 64 },
  ],
  ...more,
});
