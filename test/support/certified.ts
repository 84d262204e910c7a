import type { HostId, SiteId } from '../../domain/ids';
import type { HostCredentials, HostIdentity } from '../../drivers/lib/host-identity';
import {
  issueCertificate,
  type KeyedCertificate,
  makeAuthority,
  requestCertificate,
} from '../../process/certificates';

export const HOME = 'home' as SiteId;

/** What a site has given its hosts, without the site. */
export async function certifiedHosts<N extends string>(
  names: readonly N[],
  { siteId = HOME, authority }: { siteId?: SiteId; authority?: KeyedCertificate } = {},
): Promise<Record<N, HostIdentity>> {
  const signer = authority ?? (await makeAuthority(siteId, 1, Date.now()));
  const identities = await Promise.all(
    names.map(async (name): Promise<[N, HostIdentity]> => {
      const hostId = name as string as HostId;
      const { request, key } = await requestCertificate(hostId);
      const certificate = await issueCertificate(signer, request, { siteId, hostId }, Date.now());
      const own: HostCredentials = {
        key,
        certificate: certificate ?? '',
        authorities: [signer.certificate],
      };
      return [name, { siteId, hostId, plainPermitted: false, credentials: () => own }];
    }),
  );
  return Object.fromEntries(identities) as Record<N, HostIdentity>;
}
