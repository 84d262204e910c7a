import { type Finding, SluiceError } from '../domain/errors';
import type { NetworkId, TenantId } from '../domain/ids';
import type { Manifest, ManifestNetwork } from '../domain/manifest/schema';
import { claimedBlocks, layOutBlocks } from '../domain/network/blocks';
import {
  isClosing,
  isSharedWith,
  type NetworkRecord,
  networkIdOf,
  type ServiceNetwork,
  subnetsOf,
} from '../domain/network/model';
import { needsOn } from '../domain/network/needs';
import { endOf, overlap, subnetText } from '../domain/network/subnet';
import type { ServiceRecord } from '../domain/service/service';
import type { Store } from '../store/store';

type NetworkStore = Pick<Store, 'networks' | 'addresses' | 'services'>;

/**
 * Networks of the site that a manifest names have to be there, and for its tenant; no VEE may be on two whose subnets overlap;
 * and those that a service has must have room for what it may become. What is not shared with a tenant does not exist for it.
 * @param service that the manifest is to be applied to, where it is there
 * @throws SluiceError `network-unknown`, `network-full` or `manifest-invalid`
 */
export async function requireNetworks(
  store: NetworkStore,
  manifest: Manifest,
  tenantId: TenantId,
  service?: ServiceRecord,
): Promise<void> {
  const declared = manifest.networks ?? [];
  const own = service ? await networksOf(store, service, declared) : new Map<string, ServiceNetwork>();
  if (declared.some((n) => n.site !== undefined) || own.size > 0)
    await requireSiteNetworks(store, manifest, tenantId, own);
  if (service && own.size > 0) refuse('network-full', await withoutRoom(store, manifest, service, own));
}

/** Those of a service's own networks that there are already, by their names. */
async function networksOf(
  { networks }: NetworkStore,
  { id: serviceId }: ServiceRecord,
  declared: readonly ManifestNetwork[],
): Promise<Map<string, ServiceNetwork>> {
  const ids = declared.flatMap((n): NetworkId[] => (n.site === undefined ? [networkIdOf(serviceId, n)] : []));
  const found = ids.length > 0 ? await networks.some(ids) : [];
  return new Map(
    found.filter((n): n is ServiceNetwork => n.kind === 'service').map((network) => [network.name, network]),
  );
}

/**
 * Blocks never grow, since neighbours' rules name them. What the manifest in force says already is not asked for again: an
 * earlier release may have let it in, and another change must be possible.
 */
async function withoutRoom(
  { addresses, services }: NetworkStore,
  manifest: Manifest,
  service: ServiceRecord,
  own: ReadonlyMap<string, ServiceNetwork>,
): Promise<Finding[]> {
  const current = await services.manifest(service.manifestDigest);
  const found = await Promise.all(
    [...own].map(async ([name, network]): Promise<Finding[]> => {
      const before = needsOn(current, { name });
      const needs = needsOn(manifest, { name }).filter(
        ({ component, most }) => !before.some((b) => b.component === component && b.most >= most),
      );
      const holders = await addresses.componentsOn(network.id);
      const claimed = [...before, ...needs].map((n) => n.component);
      const kept = claimedBlocks(network.blocks, new Set([...claimed, ...holders]));
      const plan = layOutBlocks(endOf(subnetsOf(network)), kept, needs);
      if (plan.kind === 'laid-out') return [];
      const at = manifest.components.findIndex((c) => c.name === plan.component);
      const has = plan.kind === 'grown' ? `has ${plan.has} for it` : `has ${plan.free} left`;
      return [
        {
          pointer: `/components/${at}/${plan.kind === 'grown' ? 'instances/max' : 'networks'}`,
          message: `${plan.component} may need ${plan.need} addresses of network ${name}, which ${has}`,
          hint: 'Name another network in place of that one: all is made anew on it.',
        },
      ];
    }),
  );
  return found.flat();
}

async function requireSiteNetworks(
  { networks }: NetworkStore,
  manifest: Manifest,
  tenantId: TenantId,
  own: ReadonlyMap<string, NetworkRecord>,
): Promise<void> {
  const declared = manifest.networks ?? [];
  const shared = (await networks.siteNetworks()).filter(
    (n) => isSharedWith(n, tenantId) && !isClosing(n, Date.now()),
  );
  const known = new Map(shared.map((n) => [n.name, n]));
  const unknown = declared.flatMap(({ site }, i): Finding[] =>
    site === undefined || known.has(site)
      ? []
      : [
          {
            pointer: `/networks/${i}/site`,
            message: `the site has no network "${site}" for ${tenantId}`,
            hint: known.size > 0 ? `It has ${[...known.keys()].join(', ')}.` : 'It has none at all.',
          },
        ],
  );
  refuse('network-unknown', unknown);

  const subnetsByName = new Map(
    declared.map((n) => [
      n.name,
      subnetsOf((n.site === undefined ? own.get(n.name) : known.get(n.site)) ?? n),
    ]),
  );
  const clashing = manifest.components.flatMap(({ networks: on = [] }, c) =>
    on.flatMap((name, i): Finding[] => {
      const mine = subnetsByName.get(name) ?? [];
      const clash = on
        .slice(0, i)
        .find((other) => subnetsByName.get(other)?.some((o) => mine.some((m) => overlap(m, o))));
      if (clash === undefined) return [];
      return [
        {
          pointer: `/components/${c}/networks/${i}`,
          message: `${mine.map(subnetText).join(', ')} overlaps ${clash}`,
          hint: 'A VEE on both could not tell where to send what.',
        },
      ];
    }),
  );
  refuse('manifest-invalid', clashing);
}

function refuse(
  code: 'network-unknown' | 'network-full' | 'manifest-invalid',
  errors: readonly Finding[],
): void {
  const [first] = errors;
  if (first)
    throw new SluiceError(code, `${first.pointer}: ${first.message}. ${first.hint}`, {
      pointer: first.pointer,
      errors,
    });
}
