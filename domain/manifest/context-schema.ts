import { z } from 'zod';

/** What the instances of a component are told beside their environment. No defaults: old manifests keep their digests. */
export const contextFields = {
  userData: z
    .string()
    .min(1)
    .max(65_536)
    .optional()
    .describe('Handed to each instance at its start, as cloud-init takes it; may hold references'),
  files: z
    .array(
      z.strictObject({
        path: z
          .string()
          .max(255)
          .regex(/^\/[A-Za-z0-9._/@+-]+$/, 'an absolute path of letters, digits and "._/@+-"'),
        content: z.string().max(65_536).describe('May hold references'),
        mode: z
          .string()
          .regex(/^0?[0-7]{3}$/, 'three or four octal digits in quotes, such as "0600"')
          .optional(),
      }),
    )
    .min(1)
    .max(32)
    .optional()
    .describe('Files that each instance finds at its start, and can read'),
  sshKeys: z
    .array(
      z
        .string()
        .max(2_048)
        .regex(
          /^(ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}( [^\n\r]*)?$/,
          'a public key as in authorized_keys, such as "ssh-ed25519 AAAA… me"',
        ),
    )
    .min(1)
    .max(32)
    .optional()
    .describe('Public keys of those who may log in to machines'),
};
