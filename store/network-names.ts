import type { NetworkId, VeeId } from '../domain/ids';
import type { NetworkRecord } from '../domain/network/model';
import { type NetworkName, namesOn } from '../domain/network/names';
import type { VeeRecord } from '../domain/vee/vee';
import type { Store } from './store';

/** What VEEs are called on networks, by what is recorded of them now: who has ended is called nothing any more. */
export async function readNames(
  store: Pick<Store, 'addresses' | 'vees' | 'services'>,
  networks: readonly NetworkRecord[],
): Promise<Map<NetworkId, NetworkName[]>> {
  const leases = await Promise.all(networks.map((n) => store.addresses.held({ networkId: n.id })));
  const ids = [...new Set(leases.flat().map((l) => l.veeId))];
  const vees = new Map<VeeId, VeeRecord>((await store.vees.some(ids)).map((v) => [v.id, v]));
  const services = new Map<string, string>();
  for (const id of new Set([...vees.values()].map((v) => v.serviceId))) {
    const service = await store.services.get(id);
    if (service) services.set(id, service.name);
  }
  return new Map(
    networks.map((network, i) => {
      const named = (leases[i] ?? []).flatMap(({ veeId }) => {
        const vee = vees.get(veeId);
        const service = vee && services.get(vee.serviceId);
        const on = vee?.networks?.find((n) => n.networkId === network.id);
        if (!vee || !service || !on || vee.state === 'DESTROYED') return [];
        const { component, index, tenantId: tenant } = vee;
        return [{ component, index, service, tenant, addresses: on.addresses.map((a) => a.address) }];
      });
      return [network.id, namesOn(network, named)];
    }),
  );
}
