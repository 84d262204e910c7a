import { isIP } from 'node:net';
import type { Peer } from '../store/hosts';
import type { EventRecord } from '../store/records';

/**
 * A VXLAN's ends are all of one family of addresses: hosts of the other are not on the same networks, which nobody would
 * see. Told once for each address.
 */
export function apartEvent(host: Peer, others: readonly Peer[], now: number): EventRecord | undefined {
  const { hostId, underlayAddress } = host;
  const apart = others.filter(
    (o) => o.hostId !== hostId && isIP(o.underlayAddress) !== isIP(underlayAddress),
  );
  if (apart.length === 0) return undefined;
  const [first] = apart;
  const more = apart.length > 1 ? ` and ${apart.length - 1} more` : '';
  return {
    id: `${hostId}/underlay-apart/${underlayAddress}`,
    at: now,
    kind: 'host.underlay-apart',
    message: `${hostId} has the underlay address ${underlayAddress}, ${first?.hostId}${more} one of the other family: their networks do not meet`,
    subject: hostId,
  };
}
