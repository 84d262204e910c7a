import { z } from 'zod';
import { economyOf, HOST_ECONOMY_FIELDS, type HostEconomy } from '../domain/cost/host-economy';
import type { Overcommit } from '../domain/host';
import { type AgentId, type HostId, NAME_PATTERN, type SiteId } from '../domain/ids';
import type { Capacity } from '../domain/units';
import { type HostDevices, repeatedNode } from '../drivers/lib/device-numbers';
import type { Reserve } from '../drivers/lib/machine-facts';
import type { NetworkConfig } from '../drivers/network/config';
import { DRIVERS_IN_WORDS, isDriverName } from '../drivers/registry';
import { readEnvironment, UnusableEnvironment } from '../process/settings';

const amount = z.int().min(0);
const nodes = z.array(z.string().regex(/^\/dev\/[\w./:-]+$/, 'a device node under /dev')).min(1);
const devicesOfName = z.union([
  z.int().min(1).max(1_000),
  nodes,
  z.strictObject({ each: z.array(nodes).min(1), shared: nodes.optional() }),
]);
const reserveSchema = z
  .strictObject({ cpuMillis: amount, memoryMiB: amount, diskMiB: amount, bandwidthKbps: amount })
  .partial();
const factor = z.number().min(1).max(100);
const hostsSchema = z
  .array(
    z.strictObject({
      id: z.string().regex(NAME_PATTERN),
      driver: z.string().refine(isDriverName, DRIVERS_IN_WORDS),
      zone: z.string().regex(NAME_PATTERN).default('zone-a'),
      labels: z.record(z.string(), z.string()).default({}),
      capacity: z
        .strictObject({ cpuMillis: amount, memoryMiB: amount, diskMiB: amount, bandwidthKbps: amount })
        .optional(),
      reserve: reserveSchema.optional(),
      devices: z.record(z.string().regex(NAME_PATTERN), devicesOfName).default({}),
      overcommit: z
        .strictObject({ cpuMillis: factor, memoryMiB: factor, diskMiB: factor, bandwidthKbps: factor })
        .partial()
        .default({}),
      ...HOST_ECONOMY_FIELDS,
    }),
  )
  .min(1)
  .refine((hosts) => new Set(hosts.map((h) => h.id)).size === hosts.length, 'a host is in it more than once');

const schema = z.object({
  SLUICE_SITE: z.string().regex(NAME_PATTERN).default('home'),
  SLUICE_AGENT: z.string().regex(NAME_PATTERN),
  SLUICE_API_URL: z.url(),
  SLUICE_JOIN_TOKEN: z.string().optional(),
  SLUICE_AGENT_DIR: z.string().min(1),
  SLUICE_TRANSFER_ADDRESS: z.string().min(1).default('127.0.0.1'),
  SLUICE_TRANSFER_PLAIN: z.enum(['refused', 'permitted']).default('refused'),
  SLUICE_NETWORK_DOMAIN: z.string().min(1).max(200).optional(),
  SLUICE_NETWORK_NAMESPACE: z
    .string()
    .regex(/^[A-Za-z0-9][\w.-]{0,62}$/, 'a name as `ip netns` takes it')
    .optional(),
  SLUICE_UNDERLAY_ADDRESS: z.union([z.ipv4(), z.ipv6()]).optional(),
  SLUICE_VXLAN_PORT: z.coerce.number().int().min(1).max(65_535).optional(),
  SLUICE_IMAGE_CACHE_MIB: z.coerce.number().int().min(1).max(1_073_741_824).default(20_480),
  SLUICE_HEARTBEAT_MILLIS: z.coerce.number().int().min(50).max(60_000).default(1_000),
  SLUICE_HOST_RESERVE: z
    .string()
    .default('{}')
    .describe('JSON: {"cpuMillis"?,"memoryMiB"?,"diskMiB"?,"bandwidthKbps"?}'),
  SLUICE_HOSTS: z
    .string()
    .describe(
      'JSON: [{"id","driver","zone"?,"labels"?,"capacity"?,"reserve"?,"devices"?,"overcommit"?,"price"?,"power"?,"failuresPerYear"?}]',
    ),
});

export interface AgentHost extends HostEconomy {
  readonly id: HostId;
  readonly driver: string;
  readonly zone: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly capacity?: Capacity;
  readonly reserve: Reserve;
  readonly devices: HostDevices;
  readonly overcommit: Overcommit;
}

export interface AgentSettings {
  readonly siteId: SiteId;
  readonly agentId: AgentId;
  readonly apiUrl: string;
  readonly joinToken: string | undefined;
  readonly dataDir: string;
  readonly transferAddress: string;
  /** May what migrates travel readable, from and to agents that have no certificate? */
  readonly plainTransfers: boolean;
  readonly network: NetworkConfig;
  readonly heartbeatMillis: number;
  /** What its hosts keep of the registry's images, at most. */
  readonly imageCacheMiB: number;
  readonly hosts: readonly AgentHost[];
}

export function agentSettings(environment: NodeJS.ProcessEnv = process.env): AgentSettings {
  const env = readEnvironment(schema, environment);
  const hosts = hostsSchema.safeParse(jsonOf('SLUICE_HOSTS', env.SLUICE_HOSTS));
  if (!hosts.success)
    throw new UnusableEnvironment(`SLUICE_HOSTS is not usable: ${z.prettifyError(hosts.error)}`);
  const usual = reserveSchema.safeParse(jsonOf('SLUICE_HOST_RESERVE', env.SLUICE_HOST_RESERVE));
  if (!usual.success)
    throw new UnusableEnvironment(`SLUICE_HOST_RESERVE is not usable: ${z.prettifyError(usual.error)}`);
  const repeated = repeatedNode(hosts.data.map((h) => h.devices));
  if (repeated)
    throw new UnusableEnvironment(
      `SLUICE_HOSTS is not usable: ${repeated} is among its devices more than once.`,
    );
  return {
    siteId: env.SLUICE_SITE as SiteId,
    agentId: env.SLUICE_AGENT as AgentId,
    apiUrl: env.SLUICE_API_URL,
    joinToken: env.SLUICE_JOIN_TOKEN,
    dataDir: env.SLUICE_AGENT_DIR,
    transferAddress: env.SLUICE_TRANSFER_ADDRESS,
    plainTransfers: env.SLUICE_TRANSFER_PLAIN === 'permitted',
    network: {
      domain: env.SLUICE_NETWORK_DOMAIN ?? env.SLUICE_SITE,
      ...(env.SLUICE_NETWORK_NAMESPACE ? { namespace: env.SLUICE_NETWORK_NAMESPACE } : {}),
      ...(env.SLUICE_UNDERLAY_ADDRESS ? { underlayAddress: env.SLUICE_UNDERLAY_ADDRESS } : {}),
      ...(env.SLUICE_VXLAN_PORT ? { vxlanPort: env.SLUICE_VXLAN_PORT } : {}),
    },
    heartbeatMillis: env.SLUICE_HEARTBEAT_MILLIS,
    imageCacheMiB: env.SLUICE_IMAGE_CACHE_MIB,
    hosts: hosts.data.map(({ capacity, reserve, overcommit, id, driver, zone, labels, devices, ...h }) => ({
      ...{ id: id as HostId, driver, zone, labels, devices, ...economyOf(h) },
      reserve: withoutAbsent(reserve ?? usual.data),
      overcommit: withoutAbsent(overcommit),
      ...(capacity ? { capacity } : {}),
    })),
  };
}

const withoutAbsent = <T extends Record<string, number | undefined>>(given: T) =>
  Object.fromEntries(Object.entries(given).filter(([, n]) => n !== undefined));

function jsonOf(name: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UnusableEnvironment(`${name} is not JSON: ${(error as Error).message}`);
  }
}
