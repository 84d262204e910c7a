import { z } from 'zod';
import { NAME_PATTERN } from './ids';

const name = z.string().regex(NAME_PATTERN);
const amount = z.int().min(0);

/** Of a host, or of a VEE on it. What is not known here is left out, never refused: newer agents tell more. */
export const capacityFields = z.object({
  cpuMillis: amount,
  memoryMiB: amount,
  diskMiB: amount,
  bandwidthKbps: amount,
  devices: z.record(name, amount).optional(),
});

export const usageFields = z.object({ cpuMillis: amount, memoryMiB: amount });

/**
 * What a site takes of a fingerprint, beside its capabilities. The agent holds a driver that it loads to the same, so that
 * whoever wrote it learns what is wrong there and not from a join that is refused.
 */
export const FINGERPRINT_FIELDS = {
  driver: name,
  description: z.string().max(200),
  real: z.boolean(),
  capacity: capacityFields,
  physical: usageFields.optional().describe('Of CPU and memory, where its capacity is more than it has'),
  images: z.array(z.string().max(128)).max(1_000),
  attributes: z.record(z.string().max(63), z.string().max(200)),
};
