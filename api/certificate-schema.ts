import { z } from 'zod';
import { NAME_PATTERN } from '../domain/ids';

const name = z.string().regex(NAME_PATTERN);

/** Hosts that move what runs know each other by certificates. Older agents ask for none. */
export const certificates = z
  .object({
    authorities: z.string().max(64).optional().describe('Digest of those that the agent trusts'),
    requests: z
      .array(z.object({ hostId: name, request: z.string().max(4_000).describe('PKCS #10, PEM') }))
      .max(1_000),
  })
  .optional();

export const certificateAnswer = z
  .object({
    authorities: z.array(z.string()).optional().describe('PEM; absent when they are those that it trusts'),
    issued: z.array(z.object({ hostId: z.string(), certificate: z.string() })),
  })
  .optional()
  .describe('For those that asked');
