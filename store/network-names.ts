import { groupBy } from '../domain/group-by';
import type { NetworkId, VeeId } from '../domain/ids';
import type { NetworkRecord } from '../domain/network/model';
import { type NamedNetwork, type NamedVee, type NetworkName, namesOn } from '../domain/network/names';
import type { VeeRecord } from '../domain/vee/vee';
import type { Store } from './store';

type Read = Pick<Store, 'addresses' | 'vees' | 'services'>;

interface VeeOnIt extends NamedVee {
  /** All that it is on. */
  readonly networks: readonly string[];
}

/** What VEEs are called on networks, by what is recorded of them now: who has ended is called nothing any more. */
export async function readNames(
  store: Read,
  networks: readonly NetworkRecord[],
): Promise<Map<NetworkId, NetworkName[]>> {
  const on = await readVees(store, networks);
  return new Map(networks.map((network) => [network.id, namesOn(network, on.get(network.id) ?? [])]));
}

/** The same, with what hosts need beside it to answer by it. */
export async function readNamedNetworks(
  store: Read,
  networks: readonly NetworkRecord[],
): Promise<NamedNetwork[]> {
  const on = await readVees(store, networks);
  return networks.map((network) => {
    const { id, vni, ipv4, ipv6 } = network;
    const vees = on.get(id) ?? [];
    return {
      ...{ networkId: id, vni, ipv4, ipv6, names: namesOn(network, vees) },
      several: vees
        .filter((v) => v.networks.length > 1)
        .map(({ addresses, networks }) => ({ addresses, networks })),
    };
  });
}

async function readVees(store: Read, networks: readonly NetworkRecord[]): Promise<Map<NetworkId, VeeOnIt[]>> {
  const held = await store.addresses.heldOn(networks.map((n) => n.id));
  const leases = groupBy(held, (l) => l.networkId);
  const ids = [...new Set(held.map((l) => l.veeId))];
  const vees = new Map<VeeId, VeeRecord>((await store.vees.some(ids)).map((v) => [v.id, v]));
  const services = await store.services.names([...new Set([...vees.values()].map((v) => v.serviceId))]);
  return new Map(
    networks.map((network) => {
      const named = (leases.get(network.id) ?? []).flatMap(({ veeId }) => {
        const vee = vees.get(veeId);
        const service = vee && services.get(vee.serviceId);
        const on = vee?.networks?.find((n) => n.networkId === network.id);
        if (!vee || !service || !on || vee.state === 'DESTROYED') return [];
        const { component, index, tenantId: tenant } = vee;
        const addresses = on.addresses.map((a) => a.address);
        const all = (vee.networks ?? []).map((n) => n.networkId);
        return [{ component, index, service, tenant, addresses, networks: all }];
      });
      return [network.id, named];
    }),
  );
}
