import { createHash } from 'node:crypto';
import { isIP } from 'node:net';
import { SluiceError } from '../../domain/errors';
import type { NetworkAttachment } from '../../domain/network/attachment';

/**
 * What the devices of a network are called: Linux leaves 15 characters. All is derived, so that whoever comes later, with
 * nothing but the VEE's record, finds it again.
 */
const MOST_CHARACTERS = 15;
/** Enough for any identifier, to the base of 36. */
const VNI_DIGITS = 5;
const BRIDGE = 'slb';
const VXLAN = 'slx';
const VETH = 'slv';
const TAP = 'slt';
const RESOLVER = 'sld';
/** Of all resolvers, so that a VEE finds the next host's at once where it has moved. No VEE has one that begins like this. */
export const RESOLVER_MAC = '06:00:00:00:00:53';

const digest = (text: string, characters: number): string =>
  createHash('sha256').update(text).digest('hex').slice(0, characters);

/** The devices that a network has on a host, beside those of its VEEs. */
export interface NetworkNames {
  readonly bridge: string;
  readonly vxlan: string;
  /** Leads to what answers for names. */
  readonly resolver: string;
}

/** @param domain two sites on one machine may use the same identifier, and must not meet */
export function networkNames(domain: string, vni: number): NetworkNames {
  const rest =
    vni.toString(36).padStart(VNI_DIGITS, '0') + digest(domain, MOST_CHARACTERS - BRIDGE.length - VNI_DIGITS);
  return { bridge: `${BRIDGE}${rest}`, vxlan: `${VXLAN}${rest}`, resolver: `${RESOLVER}${rest}` };
}

/**
 * The host's end of one interface.
 * @param host tells two hosts of one machine apart, which may hold the same VEE during a migration
 */
export const portName = (kind: 'veth' | 'tap', host: string, veeId: string, networkId: string): string =>
  (kind === 'veth' ? VETH : TAP) + digest(`${host}\n${veeId}\n${networkId}`, MOST_CHARACTERS - 3);

/** Of the rules for what comes to it: the same for both copies of a migration on one machine. */
export const entryName = (veeId: string, networkId: string): string =>
  `sli${digest(`${veeId}\n${networkId}`, MOST_CHARACTERS - 3)}`;

export const isPort = (device: string): boolean => device.startsWith(VETH) || device.startsWith(TAP);
export const isVxlan = (device: string): boolean => device.startsWith(VXLAN);
export const isBridge = (device: string): boolean => device.startsWith(BRIDGE);

/** What the interfaces of a host have as their alias, before the VEE. */
export const linkMark = (host: string): string => `sluice-${digest(host, 16)}`;

/** Those among a host's devices that are bridges of this domain. */
export function bridgesOf(domain: string, devices: readonly string[]): { bridge: string; vni: number }[] {
  return devices
    .filter(isBridge)
    .map((bridge) => ({
      bridge,
      vni: Number.parseInt(bridge.slice(BRIDGE.length, BRIDGE.length + VNI_DIGITS), 36),
    }))
    .filter(({ bridge, vni }) => networkNames(domain, vni).bridge === bridge);
}

/** What a host's interface of that hardware address calls itself before it is told another address (RFC 4291, appendix A). */
export function linkLocalOf(mac: string): string {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = mac.split(':').map((part) => Number.parseInt(part, 16));
  const word = (high: number, low: number) => ((high << 8) | low).toString(16);
  return `fe80::${word(a ^ 2, b)}:${word(c, 0xff)}:${word(0xfe, d)}:${word(e, f)}`;
}

/** One with a zone names an interface of the host, too. */
const familyOf = (text: string): number => (text.includes('%') ? 0 : isIP(text));

const MAC = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;
const MOST_VNI = 2 ** 24 - 1;

/**
 * Every word of it goes into a ruleset or the arguments of a program: what is not what it should be goes no further.
 * @throws SluiceError `driver-refused`
 */
export function checkAttachment(attachment: NetworkAttachment): void {
  const { vni, mac, mtu, addresses, ingress = [] } = attachment;
  const whole = (value: number, least: number, most: number) =>
    Number.isInteger(value) && value >= least && value <= most;
  const port = (value: number | undefined) => value === undefined || whole(value, 1, 65_535);
  const sound =
    whole(vni, 1, MOST_VNI) &&
    MAC.test(mac) &&
    whole(mtu, 576, 65_535) &&
    addresses.every(
      ({ address, prefixLength, gateway }) =>
        familyOf(address) !== 0 &&
        whole(prefixLength, 0, familyOf(address) === 4 ? 32 : 128) &&
        (gateway === undefined || familyOf(gateway) === familyOf(address)),
    ) &&
    ingress.every(
      ({ protocol, fromPort, toPort, from = [] }) =>
        ['tcp', 'udp', 'icmp'].includes(protocol) && port(fromPort) && port(toPort) && from.every(isRange),
    );
  if (!sound)
    throw new SluiceError('driver-refused', `What is said of the network ${attachment.name} is not usable.`);
}

function isRange(text: string): boolean {
  const [address = '', length, ...more] = text.split('/');
  const family = familyOf(address);
  if (family === 0 || more.length > 0) return false;
  return length === undefined || (/^\d{1,3}$/.test(length) && Number(length) <= (family === 4 ? 32 : 128));
}
