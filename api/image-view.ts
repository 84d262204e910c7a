import { z } from 'zod';
import { type ImageRecord, isOwnOf, leastDiskMiBOf } from '../domain/images/model';
import { IMAGE_FORMATS, SITE_OWNER } from '../domain/images/reference';
import type { Identity } from '../store/identities';
import { millis } from './schemas';

export const imageSchema = z
  .object({
    name: z.string(),
    hosts: z.int().optional().describe('How many hosts have it, or fetch it when it is needed'),
    id: z.string().optional().describe('Absent for an image that only hosts have'),
    owner: z.string().optional().describe('A tenant, or "site"'),
    reference: z.string().optional().describe('Names this version in a manifest'),
    sha256: z.string().optional(),
    format: z.enum(IMAGE_FORMATS).optional(),
    state: z.enum(['uploading', 'ready', 'removing']).optional(),
    deprecated: z.boolean().optional(),
    sizeBytes: z.int().optional(),
    uploadedBytes: z.int().optional().describe('Where an upload goes on'),
    virtualBytes: z.int().optional().describe('Of its disk, or of what it unpacks to'),
    leastMemoryMiB: z.int().optional(),
    leastDiskMiB: z.int().optional(),
    sharedWith: z.array(z.string()).optional(),
    createdAt: millis.optional(),
  })
  .meta({ id: 'Image' });

/** With whom it is shared only its owner is told, and operators. */
export function imageView(
  image: ImageRecord,
  { role, tenantId }: Identity,
  more: { uploadedBytes?: number; hosts?: number } = {},
) {
  const { id, owner, name, digest, format, state, deprecated, sizeBytes, virtualBytes, createdAt } = image;
  const isOwn = role === 'operator' || isOwnOf(image, tenantId);
  const whose = isOwnOf(image, tenantId) || owner === SITE_OWNER ? '' : `${owner}/`;
  return {
    ...{ id, name, owner, reference: `${whose}${name}@sha256:${digest}`, sha256: digest, format, state },
    ...{ deprecated, sizeBytes, virtualBytes, createdAt },
    leastMemoryMiB: image.leastMemoryMiB,
    leastDiskMiB: leastDiskMiBOf(image) || undefined,
    ...(isOwn ? { sharedWith: image.sharedWith } : {}),
    ...more,
  };
}
