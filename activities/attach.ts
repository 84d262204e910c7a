import { SluiceError } from '../domain/errors';
import { groupBy } from '../domain/group-by';
import type { TenantId, VeeId } from '../domain/ids';
import type { Manifest } from '../domain/manifest/schema';
import { attachmentsOf } from '../domain/network/attach';
import type { NetworkAttachment } from '../domain/network/attachment';
import type { Block, BlockNeed } from '../domain/network/blocks';
import {
  type AddressLease,
  isClosing,
  isSharedWith,
  type NetworkRecord,
  networkIdOf,
  networkKeyOf,
  type ServiceNetwork,
  type SiteNetwork,
  subnetsOf,
} from '../domain/network/model';
import { needsOn } from '../domain/network/needs';
import { endOf, FIRST_OFFSET, type Subnet } from '../domain/network/subnet';
import type { ServiceRecord } from '../domain/service/service';
import type { TemplateNetwork, VeeTemplate } from '../domain/vee/vee';
import type { SiteDeps } from './deps';

export interface ToAttach {
  readonly veeId: VeeId;
  readonly component: string;
  readonly template: VeeTemplate;
}

type Attached = ReadonlyMap<VeeId, readonly NetworkAttachment[]>;
type AttachDeps = Pick<SiteDeps, 'store' | 'now' | 'networkPool'>;
type Owner = Pick<ServiceRecord, 'id' | 'tenantId' | 'manifestDigest'>;

/**
 * Gives VEEs their addresses, on networks that are made where they are not there yet. A repeat finds what was given; whoever
 * ends a VEE gives it back.
 * @param manifest that they are made by
 * @returns nothing of those that are on no network
 * @throws SluiceError `network-unknown` or `network-full`
 */
export async function attach(
  deps: AttachDeps,
  service: Owner,
  manifest: Manifest,
  vees: readonly ToAttach[],
): Promise<Attached> {
  const on = vees.flatMap((vee) => (vee.template.networks ?? []).map((as) => ({ vee, as })));
  const places = new Map<string, { network: NetworkRecord; leases: Map<VeeId, AddressLease> }>();
  for (const [key, members] of groupBy(on, ({ as }) => networkKeyOf(as))) {
    const as = members[0]?.as;
    if (!as) continue;
    const who = members.map((m) => m.vee);
    const network = as.site
      ? await siteNetwork(deps, as.site, service.tenantId)
      : await serviceNetwork(deps, service, manifest, as, who);
    const leases = new Map<VeeId, AddressLease>();
    for (const [component, some] of groupBy(who, (v) => v.component)) {
      const takers = some.map(({ veeId }) => ({
        ...{ veeId, component, tenantId: service.tenantId, serviceId: service.id },
      }));
      const taken = await deps.store.addresses.take(network, rangeOf(network, component), takers, deps.now());
      for (const [veeId, lease] of taken) leases.set(veeId, lease);
    }
    // Whoever removes a network looks for addresses after it was closed: one of the two sees the other.
    if (as.site) await stillThere(deps, network, [...leases.keys()]);
    places.set(key, { network, leases });
  }
  return new Map(
    vees.flatMap(({ veeId, template: { networks = [], ports } }) => {
      const mine = networks.flatMap((as) => {
        const place = places.get(networkKeyOf(as));
        const lease = place?.leases.get(veeId);
        return place && lease ? [{ as, network: place.network, lease }] : [];
      });
      return mine.length > 0 ? [[veeId, attachmentsOf(mine, ports)]] : [];
    }),
  );
}

/** Also of such as another manifest has put there. */
function needsOf(manifest: Manifest, as: TemplateNetwork, who: readonly ToAttach[]): BlockNeed[] {
  const needs = needsOn(manifest, as);
  const others = [...groupBy(who, (v) => v.component)].filter(
    ([component]) => !needs.some((n) => n.component === component),
  );
  return [...needs, ...others.map(([component, some]) => ({ component, most: some.length }))];
}

async function serviceNetwork(
  { store, networkPool, now }: AttachDeps,
  { id: serviceId, tenantId, manifestDigest }: Owner,
  manifest: Manifest,
  as: TemplateNetwork,
  who: readonly ToAttach[],
): Promise<ServiceNetwork> {
  const { name, ipv4, ipv6 } = as;
  const subnets = { ...(ipv4 ? { ipv4 } : {}), ...(ipv6 ? { ipv6 } : {}) };
  const wanted = {
    ...{ id: networkIdOf(serviceId, as), name, tenantId, serviceId, ...subnets },
    needs: needsOf(manifest, as, who),
    coming: new Set(who.map((v) => v.component)),
    standing: async () =>
      needsOn(await store.services.manifest(manifestDigest), as).map(({ component }) => component),
    avoid: ipv4 || ipv6 ? [] : await otherSubnets(store, manifest, name),
  };
  return store.networks.ensure(wanted, networkPool, now());
}

/** Whoever is on two networks has to know by an address on which of them it is. */
async function otherSubnets(
  { networks }: SiteDeps['store'],
  { networks: declared = [] }: Manifest,
  name: string,
): Promise<Subnet[]> {
  const others = declared.filter((n) => n.name !== name);
  const sites = others.some((n) => n.site) ? await networks.siteNetworks() : [];
  return others.flatMap((n) => subnetsOf((n.site && sites.find((s) => s.name === n.site)) || n));
}

async function siteNetwork(
  { store, now }: AttachDeps,
  name: string,
  tenantId: TenantId,
): Promise<SiteNetwork> {
  const found = (await store.networks.siteNetworks()).find((n) => n.name === name);
  if (!found || isClosing(found, now()) || !isSharedWith(found, tenantId)) throw unknownNetwork(name);
  await store.networks.reopenAbandoned(found, now());
  return found;
}

async function stillThere(
  { store, now }: AttachDeps,
  { id, name }: NetworkRecord,
  veeIds: readonly VeeId[],
): Promise<void> {
  const network = await store.networks.get(id);
  if (network?.kind === 'site' && !network.closing) return;
  await store.addresses.release(veeIds, now());
  throw unknownNetwork(name);
}

const unknownNetwork = (name: string) =>
  new SluiceError('network-unknown', `The site has no network "${name}" for this tenant.`);

function rangeOf(network: NetworkRecord, component: string): Pick<Block, 'from' | 'to'> {
  const block = network.kind === 'service' && network.blocks.find((b) => b.component === component);
  return block || { from: FIRST_OFFSET, to: endOf(subnetsOf(network)) };
}
