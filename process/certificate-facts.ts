import { createHash, X509Certificate } from 'node:crypto';

/** How a host says which authorities it trusts, and its site sees whether they are the ones. */
export const digestOfAuthorities = (certificates: readonly string[]): string =>
  createHash('sha256').update(certificates.join('\n')).digest('hex').slice(0, 32);

/** From when to when it counts, and whether one of these has signed it. */
export function lookInto(certificate: string, authorities: readonly string[]) {
  const read = new X509Certificate(certificate);
  return {
    notBefore: Date.parse(read.validFrom),
    notAfter: Date.parse(read.validTo),
    isTrusted: authorities.some((a) => read.verify(new X509Certificate(a).publicKey)),
  };
}
