import { groupBy } from '../group-by';
import { subnetsOf } from '../network/model';
import { addressAt } from '../network/subnet';
import { occupiesHost } from '../vee/state-machine';
import { isUnderWay, type SystemState } from './model';

/** By what VEEs are recorded to have, and by what is noted as given: neither may have an address that the other does not know of. */
export function addressesOnce({ vees, operations, addresses, networks = [], now }: SystemState) {
  if (addresses === undefined) return { checked: 0, violations: [] };
  // What an operation on the service makes or ends has an address a moment before it is recorded, or after.
  const busy = new Set<string | undefined>(
    operations.filter((o) => isUnderWay(o, now)).map((o) => o.serviceId),
  );
  const known = new Map(networks.map((n) => [n.id, n]));
  const living = vees.filter((v) => occupiesHost(v.state));
  const recorded = new Map(living.map((v) => [v.id, v]));
  const violations: string[] = [];

  const claims = living.flatMap((v) =>
    (v.networks ?? []).flatMap((n) => [
      ...n.addresses.map((a) => ({ veeId: v.id, what: `${a.address} of ${n.name} (${n.networkId})` })),
      { veeId: v.id, what: n.mac },
    ]),
  );
  for (const [what, by] of groupBy(claims, (c) => c.what))
    if (by.length > 1) violations.push(`${what} is given to ${by.map((c) => c.veeId).join(' and ')}`);

  for (const { networkId, veeId, serviceId } of addresses) {
    if (busy.has(serviceId)) continue;
    if (!known.has(networkId)) violations.push(`${veeId} has an address of ${networkId}, which is no more`);
    if (!recorded.has(veeId)) violations.push(`${networkId}: the address of ${veeId} was never given back`);
  }
  const given = new Map(addresses.map((l) => [l.id, l]));
  for (const v of living) {
    if (busy.has(v.serviceId)) continue;
    for (const { networkId, name, mac, addresses: has } of v.networks ?? []) {
      const lease = given.get(`${networkId}/${v.id}`);
      const network = known.get(networkId as (typeof networks)[number]['id']);
      if (!lease || !network) {
        violations.push(`${v.id} has an address of ${name} (${networkId}) that is not noted as given`);
        continue;
      }
      const noted = subnetsOf(network).map((s) => addressAt(s, lease.offset));
      if (lease.mac !== mac || noted.join() !== has.map((a) => a.address).join())
        violations.push(`${v.id} has another address of ${name} than is noted as given`);
    }
  }
  return { checked: addresses.length, violations };
}
