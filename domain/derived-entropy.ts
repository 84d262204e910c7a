import { createHash } from 'node:crypto';

/** Entropy for an id that is derived rather than drawn: a repeated activity must make the same ids. */
export function derivedEntropy(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(parts.join('\u0000')).digest('hex').slice(0, 24);
}
