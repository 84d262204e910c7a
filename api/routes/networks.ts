import { z } from 'zod';
import { derivedEntropy } from '../../domain/derived-entropy';
import { SluiceError } from '../../domain/errors';
import { makeNetworkId, NAME_PATTERN, type NetworkId, type TenantId } from '../../domain/ids';
import {
  type AddressLease,
  DEFAULT_MTU,
  isClosing,
  isSharedWith,
  MOST_VNI,
  type NetworkRecord,
  subnetsOf,
} from '../../domain/network/model';
import { addressAt, endOf, FIRST_OFFSET, readSubnet } from '../../domain/network/subnet';
import type { Identity } from '../../store/identities';
import { readNamedNetworks, readNames } from '../../store/network-names';
import type { ApiDeps } from '../deps';
import { byId, type Context, json, OPERATED, pageQuery, type Route, route, scopeOf } from '../route';
import { millis, pageOf } from '../schemas';

const nameSchema = z.array(z.object({ name: z.string(), addresses: z.array(z.string()) }));

const networkSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    kind: z.enum(['service', 'site']).describe('Made with a service by its manifest, or by an operator'),
    tenantId: z.string().optional(),
    serviceId: z.string().optional(),
    ipv4: z.string().optional(),
    ipv6: z.string().optional(),
    mtu: z.int(),
    vni: z.int().optional().describe('VXLAN network identifier; for operators only'),
    sharedWith: z.array(z.string()).nullable().optional().describe('Null: with all; for operators only'),
    addresses: z.int().describe('How many can be given to VEEs'),
    inUse: z.int().optional().describe('How many are; of what is shared for operators only'),
    closing: z.boolean().optional().describe('Somebody is removing it; for operators only'),
    createdAt: millis,
    vees: z
      .array(
        z.object({
          veeId: z.string(),
          component: z.string(),
          mac: z.string(),
          addresses: z.array(z.string()),
        }),
      )
      .optional()
      .describe('Who is on it; a tenant sees its own'),
    names: nameSchema.optional().describe('What they are called there; of what is shared for operators only'),
  })
  .meta({ id: 'Network' });

const askedSchema = z
  .strictObject({
    name: z.string().regex(NAME_PATTERN),
    ipv4: z.string().max(18).optional(),
    ipv6: z.string().max(43).optional(),
    mtu: z.int().min(1_280).max(9_216).default(DEFAULT_MTU),
    vni: z.int().min(1).max(MOST_VNI).optional().describe('Where it has to be a certain one'),
    tenants: z.array(z.string().regex(NAME_PATTERN)).max(1_000).default([]),
    everybody: z.boolean().default(false).describe('Shared with all tenants'),
  })
  .superRefine((asked, context) => {
    for (const family of ['ipv4', 'ipv6'] as const) {
      const cidr = asked[family];
      const subnet = cidr === undefined ? undefined : readSubnet(cidr, family);
      if (typeof subnet === 'string') context.addIssue({ code: 'custom', path: [family], message: subnet });
    }
    if (asked.ipv4 === undefined && asked.ipv6 === undefined)
      context.addIssue({ code: 'custom', path: ['ipv4'], message: 'give ipv4, ipv6 or both' });
  });

const done = { description: 'The network', schema: networkSchema };

/** Networks of services, and those of the site that operators make for them. */
export function networkRoutes({ store, siteId }: ApiDeps): Route[] {
  function view(network: NetworkRecord, inUse: number, identity: Identity): Record<string, unknown> {
    const { id, name, kind, ipv4, ipv6, mtu, vni, createdAt } = network;
    const operator = identity.role === 'operator';
    const own = network.kind === 'service';
    return {
      ...{ id, name, kind, ipv4, ipv6, mtu, createdAt },
      ...(own ? { tenantId: network.tenantId, serviceId: network.serviceId } : {}),
      addresses: endOf(subnetsOf(network)) - FIRST_OFFSET,
      ...(operator || own ? { inUse } : {}),
      ...(operator ? { vni } : {}),
      ...(operator && !own ? { sharedWith: network.sharedWith } : {}),
      ...(operator && !own && isClosing(network, Date.now()) ? { closing: true } : {}),
    };
  }

  /** To a tenant, what is not shared with it does not exist. */
  async function load({ identity }: Context<unknown>, id: string): Promise<NetworkRecord> {
    const network = await store.networks.get(id as NetworkId);
    const tenantId = identity.role === 'tenant' ? identity.tenantId : undefined;
    const visible =
      identity.role === 'operator' ||
      (tenantId !== undefined &&
        network !== undefined &&
        (network.kind === 'service' ? network.tenantId === tenantId : isSharedWith(network, tenantId)));
    if (!network || !visible) throw new SluiceError('not-found', 'There is no such network.');
    return network;
  }

  const onIt = (network: NetworkRecord, leases: readonly AddressLease[]) =>
    leases.map(({ veeId, component, mac, offset }) => ({
      ...{ veeId, component, mac },
      addresses: subnetsOf(network).map((s) => addressAt(s, offset)),
    }));

  const tell = ({ identity, operationId }: Pick<Context, 'identity' | 'operationId'>, what: string) =>
    store.events.append({
      ...{ id: `${operationId}/network`, at: Date.now(), kind: 'site.network', subject: siteId },
      message: `${identity.name} ${what}`,
    });

  return [
    route({
      method: 'get',
      path: '/v1/networks',
      tag: 'networks',
      summary: 'List networks',
      roles: OPERATED,
      query: pageQuery,
      responses: { 200: { description: 'A page', schema: pageOf(networkSchema) } },
      handler: async ({ identity, query }) => {
        const { items, ...rest } = await store.networks.page(scopeOf(identity), query);
        const counts = await store.addresses.counts(items.map((n) => n.id));
        const views = items.map((n) => view(n, counts.get(n.id) ?? 0, identity));
        return { status: 200, body: { items: views, ...rest } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/networks/{id}',
      tag: 'networks',
      summary: 'One network, with who is on it',
      roles: OPERATED,
      params: byId,
      responses: { 200: done },
      handler: async (context) => {
        const { identity } = context;
        const network = await load(context, context.params.id);
        const seen = await store.addresses.held({ networkId: network.id, ...scopeOf(identity) });
        const inUse = await store.addresses.countHeld(network.id);
        const all = identity.role === 'operator' || network.kind === 'service';
        const names = all ? (await readNames(store, [network])).get(network.id) : undefined;
        return {
          status: 200,
          body: { ...view(network, inUse, identity), vees: onIt(network, seen), names },
        };
      },
    }),
    route({
      method: 'get',
      path: '/v1/agents/names',
      tag: 'agents',
      summary: 'What VEEs are called on those networks that an agent’s hosts have VEEs on',
      roles: ['agent'],
      responses: {
        200: {
          description: 'Names by network',
          schema: z.object({
            networks: z.array(
              z.object({
                ...{ networkId: z.string(), vni: z.int(), names: nameSchema },
                ...{ ipv4: z.string().optional(), ipv6: z.string().optional() },
                several: z
                  .array(z.object({ addresses: z.array(z.string()), networks: z.array(z.string()) }))
                  .optional()
                  .describe('Who is on others as well: its addresses on this one, and all that it is on'),
              }),
            ),
          }),
        },
      },
      handler: async ({ identity }) => {
        const here = await Promise.all(
          (identity.hostIds ?? []).map((hostId) => store.vees.find({ hostId, living: true })),
        );
        const ids = new Set<string>(here.flat().flatMap((v) => (v.networks ?? []).map((n) => n.networkId)));
        const networks = await store.networks.some([...ids] as NetworkId[]);
        return { status: 200, body: { networks: await readNamedNetworks(store, networks) } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/networks',
      tag: 'networks',
      summary: 'Make a network of the site, for services of the tenants that it is shared with',
      roles: ['operator'],
      body: json(askedSchema),
      responses: { 201: done },
      write: true,
      handler: async (context) => {
        const { name, ipv4, ipv6, mtu, vni, tenants, everybody } = context.body;
        for (const [i, tenant] of tenants.entries())
          if (!(await store.identities.hasTenant(tenant as TenantId)))
            throw new SluiceError('not-found', `There is no tenant "${tenant}".`, {
              pointer: `/tenants/${i}`,
            });
        const network = await store.networks.create({
          id: makeNetworkId(derivedEntropy(context.operationId, 'network')),
          ...{ kind: 'site', name, mtu, createdAt: Date.now(), generation: 1 },
          sharedWith: everybody ? null : (tenants as TenantId[]),
          ...(ipv4 ? { ipv4 } : {}),
          ...(ipv6 ? { ipv6 } : {}),
          ...(vni ? { vni } : {}),
        });
        await tell(context, `has made the network ${name}`);
        const headers = { Location: `/v1/networks/${network.id}` };
        return { status: 201, body: view(network, 0, context.identity), headers };
      },
    }),
    route({
      method: 'delete',
      path: '/v1/networks/{id}',
      tag: 'networks',
      summary: 'Remove a network of the site that no VEE is on',
      roles: ['operator'],
      params: byId,
      responses: { 200: done },
      write: true,
      handler: async (context) => {
        const { identity, operationId, params } = context;
        const earlier = await store.networks.removedBy(operationId);
        // A repeat of a request that has died finds it gone: it tells of it, and answers as that one would have.
        const again = earlier?.id === params.id && !(await store.networks.get(earlier.id));
        const network = again ? earlier : await load(context, params.id);
        if (network.kind === 'service')
          throw new SluiceError(
            'network-in-use',
            `${network.name} goes with its service ${network.serviceId}.`,
          );
        const used = await store.networks.remove(network, operationId, Date.now());
        if (used > 0)
          throw new SluiceError(
            'network-in-use',
            used === 1 ? `A VEE is on ${network.name}.` : `${used} VEEs are on ${network.name}.`,
          );
        await tell(context, `has removed the network ${network.name}`);
        return { status: 200, body: view(network, 0, identity) };
      },
    }),
  ];
}
