import { createHash } from 'node:crypto';
import { checkManifest, parseManifest } from '../domain/manifest/parse';
import type { Manifest } from '../domain/manifest/schema';

/** YAML comes as text, JSON as a value. */
export function readManifest(body: unknown): Manifest {
  return typeof body === 'string' ? parseManifest(body) : checkManifest(body);
}

export const digestOf = (manifest: Manifest) =>
  createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
