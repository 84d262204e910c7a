import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { HostId, SiteId } from '../domain/ids';
import {
  AUTHORITY_MILLIS,
  CERTIFICATE_MILLIS,
  CLOCK_SLACK_MILLIS,
  hostName,
} from '../domain/security/authorities';

const KEYS = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const { subtle } = webcrypto;
x509.cryptoProvider.set(webcrypto as never);

/** A certificate and the key to it, as PEM. */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** What signs for a site, made anew. */
export async function makeAuthority(siteId: SiteId, serial: number, now: number): Promise<KeyedCertificate> {
  const keys = await subtle.generateKey(KEYS, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: makeSerial(),
    name: `CN=Sluice site ${siteId} ${serial}`,
    notBefore: new Date(now - CLOCK_SLACK_MILLIS),
    notAfter: new Date(now + AUTHORITY_MILLIS),
    keys: keys as never,
    signingAlgorithm: KEYS,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
    ],
  });
  return { certificate: certificate.toString('pem'), key: await pemOf(keys.privateKey) };
}

/** What a host asks its site to sign, and the key that stays with it. */
export async function requestCertificate(hostId: HostId): Promise<{ request: string; key: string }> {
  const keys = await subtle.generateKey(KEYS, true, ['sign', 'verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: `CN=${hostId}`,
    keys: keys as never,
    signingAlgorithm: KEYS,
  });
  return { request: request.toString('pem'), key: await pemOf(keys.privateKey) };
}

/**
 * A certificate that says that who has this key is this host. What else the request asks for is ignored.
 * @returns undefined for what is no request of somebody who has the key, or not of the kind that all hosts have
 */
export async function issueCertificate(
  authority: KeyedCertificate,
  request: string,
  { siteId, hostId }: { siteId: SiteId; hostId: HostId },
  now: number,
): Promise<string | undefined> {
  const asked = await readRequest(request);
  if (!asked) return undefined;
  const key = x509.PemConverter.decodeFirst(authority.key);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: makeSerial(),
    subject: `CN=${hostId}`,
    issuer: new x509.X509Certificate(authority.certificate).subject,
    notBefore: new Date(now - CLOCK_SLACK_MILLIS),
    notAfter: new Date(now + CERTIFICATE_MILLIS),
    publicKey: asked.publicKey,
    signingKey: (await subtle.importKey('pkcs8', key, KEYS, false, ['sign'])) as never,
    signingAlgorithm: KEYS,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension([{ type: 'url', value: hostName(siteId, hostId) }]),
    ],
  });
  return certificate.toString('pem');
}

async function readRequest(pem: string): Promise<x509.Pkcs10CertificateRequest | undefined> {
  try {
    const asked = new x509.Pkcs10CertificateRequest(pem);
    const { name, namedCurve } = asked.publicKey.algorithm as { name: string; namedCurve?: string };
    const isOurKind = name === KEYS.name && namedCurve === KEYS.namedCurve;
    return isOurKind && (await asked.verify()) ? asked : undefined;
  } catch {
    // Whoever asks may send anything at all.
    return undefined;
  }
}

/** Positive, as a number in DER. */
function makeSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

const pemOf = async (key: webcrypto.CryptoKey): Promise<string> =>
  x509.PemConverter.encode(await subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
