import { isIP, isIPv4, SocketAddress } from 'node:net';
import { SluiceError } from '../../domain/errors';
import { isVxlan, networkNames } from './names';

export interface Vxlan {
  readonly device: string;
  readonly vni?: number | undefined;
  /** Of UDP. */
  readonly port?: number | undefined;
}

/** As Linux writes it, so that the same is the same. */
export function canonical(address: string): string {
  if (isIP(address) === 0 || address.includes('%')) return address;
  return new SocketAddress({ address, family: isIPv4(address) ? 'ipv4' : 'ipv6' }).address;
}

/** Of many hosts, or of none. */
const NOBODYS = /^(22[4-9]\.|23\d\.|0\.|255\.|ff|::$)/i;

/** Those of others that a VXLAN from this address can have at its other end: all of them are of the same family. */
export function peersOf(own: string, addresses: readonly string[]): string[] {
  const usable = addresses.filter((a) => isIP(a) === isIP(own) && !NOBODYS.test(a)).map(canonical);
  return [...new Set(usable)].filter((a) => a !== canonical(own)).sort();
}

/**
 * The kernel gives each identifier at a port to one device. Sites count theirs from the same number, so two that share a
 * machine and a port would take each other's, or each other's packets.
 * @param port of UDP
 * @throws SluiceError `driver-refused`
 */
export function requireFreePort(domain: string, vni: number, port: number, there: readonly Vxlan[]): void {
  const isOwn = ({ device, vni: its }: Vxlan) =>
    its !== undefined && networkNames(domain, its).vxlan === device;
  const taken = there.find((v) => !isOwn(v) && v.port === port && (isVxlan(v.device) || v.vni === vni));
  if (taken)
    throw new SluiceError(
      'driver-refused',
      `Somebody else on this machine has the VXLAN ${taken.device} at UDP port ${port}: set SLUICE_VXLAN_PORT to another, the same for all agents of this site.`,
    );
}
