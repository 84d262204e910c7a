import { type Finding, SluiceError } from '../domain/errors';
import type { TenantId } from '../domain/ids';
import type { Manifest } from '../domain/manifest/schema';
import { isSharedWith, subnetsOf } from '../domain/network/model';
import { overlap, subnetText } from '../domain/network/subnet';
import type { Store } from '../store/store';

/**
 * Networks of the site that a manifest names have to be there, and for its tenant; and no VEE may be on two whose subnets overlap.
 * What is not shared with a tenant does not exist for it.
 * @throws SluiceError `network-unknown` or `manifest-invalid`
 */
export async function requireNetworks(
  { networks }: Pick<Store, 'networks'>,
  manifest: Manifest,
  tenantId: TenantId,
): Promise<void> {
  const declared = manifest.networks ?? [];
  if (!declared.some((n) => n.site !== undefined)) return;
  const shared = (await networks.siteNetworks()).filter((n) => isSharedWith(n, tenantId) && !n.closing);
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
    declared.map((n) => [n.name, subnetsOf((n.site !== undefined && known.get(n.site)) || n)]),
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

function refuse(code: 'network-unknown' | 'manifest-invalid', errors: readonly Finding[]): void {
  const [first] = errors;
  if (first)
    throw new SluiceError(code, `${first.pointer}: ${first.message}. ${first.hint}`, {
      pointer: first.pointer,
      errors,
    });
}
