import type { HostId, SiteId } from '../ids';

/**
 * What signs the certificates by which a site's hosts know each other. A site has one that signs; beside it there
 * may be the one that will sign next, and the one that signed before, for as long as what it has signed is valid.
 */
export interface AuthorityTerms {
  /** The number of it in its site; the greatest that has begun signs. */
  readonly serial: number;
  readonly signsFrom: number;
  readonly expiresAt: number;
}

const DAY_MILLIS = 86_400_000;
/** Of what a host gets. Short, for nobody is told of one that must not count any more. */
export const CERTIFICATE_MILLIS = 7 * DAY_MILLIS;
export const AUTHORITY_MILLIS = 3_650 * DAY_MILLIS;
/** How far the clocks of two hosts may differ. */
export const CLOCK_SLACK_MILLIS = 3_600_000;
/** How long hosts have to learn of a new authority before it signs: two transfers must not fail because one knows it and the other does not. */
export const OVERLAP_MILLIS = 600_000;
/** A certificate is renewed when so much of its time is over. */
const RENEWED_AFTER = 2 / 3;

/** Nothing when none is there, or none is valid for as long as what it would sign: then another is to be made. */
export function signerOf<A extends AuthorityTerms>(authorities: readonly A[], now: number): A | undefined {
  return authorities
    .filter((a) => a.signsFrom <= now && a.expiresAt > now + CERTIFICATE_MILLIS)
    .reduce<A | undefined>((best, a) => (best && best.serial > a.serial ? best : a), undefined);
}

/** Those whose certificates count: the one that signs, those that will, and those that did until lately. */
export function trustedOf<A extends AuthorityTerms>(authorities: readonly A[], now: number): A[] {
  const signer = signerOf(authorities, now);
  const stillCounts = (a: A) =>
    signer === undefined || a.serial >= signer.serial || signer.signsFrom + CERTIFICATE_MILLIS > now;
  return authorities.filter((a) => a.expiresAt > now && stillCounts(a)).sort((a, b) => a.serial - b.serial);
}

export const isDue = ({ notBefore, notAfter }: { notBefore: number; notAfter: number }, now: number) =>
  now >= notBefore + (notAfter - notBefore) * RENEWED_AFTER;

/** The name in a host's certificate: of this host of this site, and no other. */
export const hostName = (siteId: SiteId, hostId: HostId): string => `urn:sluice:${siteId}:${hostId}`;
