import type { HostId, SiteId } from '../domain/ids';
import { OVERLAP_MILLIS, signerOf, trustedOf } from '../domain/security/authorities';
import { digestOfAuthorities, lookInto } from '../process/certificate-facts';
import type { Authority } from '../store/authorities';
import type { Store } from '../store/store';

/** Loaded with the first that is needed: it takes a third of a second. */
const certificates = () => import('../process/certificates');

/** Read anew after so long: another API may have made one. */
const KEPT_MILLIS = 5_000;
/** One that is about to expire is followed in good time. */
const FOLLOWED_MILLIS = 30 * 86_400_000;

export interface CertificateRequest {
  readonly hostId: string;
  readonly request: string;
}

export interface CertificateAnswer {
  /** PEM; absent when the agent knows them. */
  readonly authorities?: readonly string[];
  readonly issued: readonly { readonly hostId: string; readonly certificate: string }[];
}

/** The site's word on which key is which host's. */
export class HostCertificates {
  private readonly siteId: SiteId;
  private readonly store: Pick<Store, 'authorities'>;
  private kept: { readonly at: number; readonly authorities: readonly Authority[] } | undefined;

  constructor(siteId: SiteId, store: Pick<Store, 'authorities'>) {
    this.siteId = siteId;
    this.store = store;
  }

  /**
   * @param known digest of what the agent trusts so far
   * @param requests of its own hosts only: that is for the caller to see to
   */
  async answer(
    known: string | undefined,
    requests: readonly CertificateRequest[],
    now: number,
  ): Promise<CertificateAnswer> {
    const authorities = await this.authorities(now);
    const trusted = trustedOf(authorities, now).map((a) => a.certificate);
    const signer = signerOf(authorities, now);
    const issued = [];
    for (const { hostId, request } of requests) {
      const whose = { siteId: this.siteId, hostId: hostId as HostId };
      const certificate =
        signer && (await (await certificates()).issueCertificate(signer, request, whose, now));
      if (certificate) issued.push({ hostId, certificate });
    }
    return { ...(digestOfAuthorities(trusted) === known ? {} : { authorities: trusted }), issued };
  }

  /**
   * Makes a new authority. It is trusted at once, and signs when hosts have had time to learn of it; what the one before
   * has signed counts until it expires.
   * @param distrust nothing of what was signed before counts any more, and the new one signs at once: for a key that was stolen
   */
  async rotate(distrust: boolean, now: number): Promise<Authority> {
    for (;;) {
      const all = await this.store.authorities.all();
      const serial = (all.at(-1)?.serial ?? 0) + 1;
      const signsFrom = all.length === 0 || distrust ? now : now + OVERLAP_MILLIS;
      const made = await this.make(serial, signsFrom, now);
      if (!(await this.store.authorities.add(made))) continue;
      if (distrust) await this.store.authorities.removeOlderThan(serial);
      this.kept = undefined;
      return made;
    }
  }

  private async make(serial: number, signsFrom: number, now: number): Promise<Authority> {
    const { makeAuthority } = await certificates();
    const { certificate, key } = await makeAuthority(this.siteId, serial, now);
    const { notAfter: expiresAt } = lookInto(certificate, []);
    return { serial, certificate, key, createdAt: now, signsFrom, expiresAt };
  }

  private async authorities(now: number): Promise<readonly Authority[]> {
    if (this.kept && now - this.kept.at < KEPT_MILLIS) return this.kept.authorities;
    let authorities: readonly Authority[] = await this.store.authorities.all();
    const newest = authorities.at(-1);
    if (!newest || newest.expiresAt < now + FOLLOWED_MILLIS) {
      // Two APIs may make the same one at the same time: the first counts for both.
      const signsFrom = newest ? now + OVERLAP_MILLIS : now;
      await this.store.authorities.add(await this.make((newest?.serial ?? 0) + 1, signsFrom, now));
      authorities = await this.store.authorities.all();
    }
    this.kept = { at: now, authorities };
    return authorities;
  }
}
