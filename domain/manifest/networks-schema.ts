import { z } from 'zod';
import { NAME_PATTERN } from '../ids';

const name = z.string().regex(NAME_PATTERN, 'a name such as "front": lower-case letters, digits and "-"');
const port = z.int().min(1).max(65_535);

/** In `from` of a port: whoever can reach it, also from elsewhere. No component may be called so if it has ports. */
export const ANYBODY = 'any';

/** No defaults here: the digest of a manifest without networks stays what it was. */
export const networkSchema = z
  .strictObject({
    name,
    ipv4: z.string().max(18).optional().describe('A subnet such as 10.20.0.0/24'),
    ipv6: z.string().max(43).optional().describe('A subnet such as fd00:20::/64'),
    site: name.optional().describe('A network that the operator has made, by its name there'),
  })
  .describe(
    'A network that only VEEs of the service are on, with a subnet of the site’s pool where none is named; or one of the site',
  );

export const portSchema = z
  .strictObject({
    name,
    port: port.optional().describe('Left out for icmp only'),
    toPort: port.optional().describe('The last, of a range that begins with `port`'),
    protocol: z.enum(['tcp', 'udp', 'icmp']).optional().describe('tcp when left out'),
    from: z
      .array(name)
      .min(1)
      .max(32)
      .optional()
      .describe('Components, or "any" for whoever can reach it; all of its networks when left out'),
    public: z
      .union([z.literal(true), port])
      .optional()
      .describe('Reached from outside of the site, by this port or one of its choice'),
  })
  .describe('What may come in. A component that has any takes in nothing else');

export const networksShape = z.array(networkSchema).min(1).max(16).optional();
export const componentNetworks = z
  .array(name)
  .min(1)
  .max(4)
  .optional()
  .describe(
    'Names of networks; each instance has an address on each, and its default route leads through the first',
  );
export const componentPorts = z.array(portSchema).min(1).max(32).optional();
