import { X509Certificate } from 'node:crypto';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { HostCertificates as Issuer } from '../../api/host-certificates';
import type { HostId } from '../../domain/ids';
import {
  type AuthorityTerms,
  CERTIFICATE_MILLIS,
  isDue,
  OVERLAP_MILLIS,
  signerOf,
  trustedOf,
} from '../../domain/security/authorities';
import { lookInto } from '../../process/certificate-facts';
import { issueCertificate, makeAuthority, requestCertificate } from '../../process/certificates';
import type { Authority } from '../../store/authorities';
import { HostCertificates } from '../../worker/host-certificates';
import { HOME } from '../support/certified';

const HOSTS = ['a', 'b'] as HostId[];

/** The collection, in memory. */
function shelf() {
  let kept: Authority[] = [];
  return {
    all: async () => kept,
    add: async (made: Authority) => {
      if (kept.some((k) => k.serial === made.serial)) return false;
      kept = [...kept, made];
      return true;
    },
    removeOlderThan: async (serial: number) => {
      kept = kept.filter((k) => k.serial >= serial);
    },
  };
}

describe('the certificates of an agent’s hosts', () => {
  let folder: string;
  let now: number;
  let authorities: ReturnType<typeof shelf>;
  let issuer: Issuer;
  let agent: HostCertificates;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-certificates-'));
    now = Date.now();
    authorities = shelf();
    issuer = new Issuer(HOME, { authorities });
    agent = new HostCertificates(folder, () => now);
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const heartbeat = async () => {
    const asked = await agent.asked(HOSTS);
    await agent.take(await issuer.answer(asked.authorities, asked.requests, now));
    return asked.requests.length;
  };
  const of = (hostId: string) => agent.identity(HOME, hostId as HostId, false).credentials();

  it('are asked for once, kept for nobody else to read, and asked for again when two thirds of their time are over', async () => {
    expect(of('a')).toBeUndefined();
    expect([await heartbeat(), await heartbeat()]).toEqual([2, 0]);
    const { certificate = '' } = of('a') ?? {};
    expect((await stat(join(folder, 'certificates.json'))).mode & 0o077).toBe(0);
    const again = new HostCertificates(folder, () => now);
    await again.load();
    expect(again.identity(HOME, 'a' as HostId, false).credentials()).toEqual(of('a'));
    now += CERTIFICATE_MILLIS * 0.6;
    expect(await heartbeat()).toBe(0);
    now += CERTIFICATE_MILLIS * 0.1;
    expect([await heartbeat(), await heartbeat()]).toEqual([2, 0]);
    expect(of('a')?.certificate).not.toBe(certificate);
  });

  it('come with the next answer when one was lost, and cost nothing where an earlier API says nothing', async () => {
    const first = await agent.asked(HOSTS);
    await agent.take({});
    expect(await agent.asked(HOSTS)).toEqual(first);
    await heartbeat();
    expect(of('b')).toBeDefined();
  });

  it('follow a new authority without a gap: it is known before it signs, and the former counts for a while', async () => {
    await heartbeat();
    const before = of('a');
    await issuer.rotate(false, now);
    expect(await heartbeat()).toBe(0);
    expect(of('a')).toMatchObject({ certificate: before?.certificate, authorities: { length: 2 } });
    now += OVERLAP_MILLIS + CERTIFICATE_MILLIS * 0.7;
    await heartbeat();
    const { certificate = '', authorities: known = [] } = of('a') ?? {};
    const [former, latter] = known.map((a) => lookInto(certificate, [a]).isTrusted);
    expect([former, latter]).toEqual([false, true]);
    now += CERTIFICATE_MILLIS * 0.4;
    await heartbeat();
    expect(of('a')?.authorities).toEqual([known[1]]);
  });

  it('are all made anew when the former authority is not to be trusted', async () => {
    await heartbeat();
    await issuer.rotate(true, now);
    await heartbeat();
    expect(await heartbeat()).toBe(2);
    const { certificate = '', authorities: known = [] } = of('a') ?? {};
    expect(known).toHaveLength(1);
    expect(lookInto(certificate, known).isTrusted).toBe(true);
  });

  it('are of one authority, also when two APIs make the first at the same time', async () => {
    const other = new Issuer(HOME, { authorities });
    const [one, two] = await Promise.all([issuer, other].map((i) => i.answer(undefined, [], now)));
    expect(one?.authorities).toEqual(two?.authorities);
    expect(await authorities.all()).toHaveLength(1);
  });

  it('are given for nothing but a request of whoever has the key', async () => {
    const authority = await makeAuthority(HOME, 1, now);
    const whose = { siteId: HOME, hostId: 'a' as HostId };
    const { request } = await requestCertificate(whose.hostId);
    const keyOf = (pem: string) => new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
    const key = keyOf((await issueCertificate(authority, request, whose, now)) ?? '');
    const der = Buffer.from(request.split('\n').slice(1, -1).join(''), 'base64');
    await fc.assert(
      fc.asyncProperty(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), async (at, flip) => {
        const torn = Buffer.from(der);
        torn[at] = (torn[at] ?? 0) ^ flip;
        const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${torn.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
        const issued = await issueCertificate(authority, pem, whose, now);
        // Some bytes say nothing; none changes whose key it is for.
        if (issued) expect(keyOf(issued)).toEqual(key);
      }),
      { numRuns: 60 },
    );
    for (const noise of ['', 'x', authority.certificate, authority.key])
      expect(await issueCertificate(authority, noise, whose, now)).toBeUndefined();
  });
});

describe('which authority signs, and which count', () => {
  const terms = fc
    .array(fc.record({ signsFrom: fc.nat(100), lasts: fc.nat(100) }), { maxLength: 6 })
    .map((all) =>
      all.map(({ signsFrom, lasts }, i): AuthorityTerms => {
        const begins = signsFrom * CERTIFICATE_MILLIS * 0.1;
        return { serial: i + 1, signsFrom: begins, expiresAt: begins + lasts * CERTIFICATE_MILLIS * 0.1 };
      }),
    );
  const instant = fc.nat(200).map((n) => n * CERTIFICATE_MILLIS * 0.1);

  it('whatever is signed is trusted for as long as it is valid', () => {
    fc.assert(
      fc.property(terms, instant, instant, (all, now, later) => {
        const signer = signerOf(all, now);
        if (!signer || later > CERTIFICATE_MILLIS) return;
        expect(signer.signsFrom).toBeLessThanOrEqual(now);
        // What it signs from here on is never valid for longer than it is trusted, unless a later one had replaced it.
        const then = signerOf(all, now + later);
        if (then && then.serial >= signer.serial) expect(trustedOf(all, now + later)).toContain(signer);
      }),
    );
  });

  it('a certificate is due for renewal before its end, and not at once', () => {
    fc.assert(
      fc.property(fc.nat(1e12), fc.integer({ min: 10, max: 1e10 }), (notBefore, lasts) => {
        const notAfter = notBefore + lasts;
        expect(isDue({ notBefore, notAfter }, notBefore)).toBe(false);
        expect(isDue({ notBefore, notAfter }, notAfter - lasts / 4)).toBe(true);
      }),
    );
  });
});
