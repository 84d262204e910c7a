import { z } from 'zod';
import { usageOf, type VeeUsage } from '../../domain/accounting/ledger';
import { SluiceError } from '../../domain/errors';
import { groupBy } from '../../domain/group-by';
import { NAME_PATTERN, type ServiceId, type TenantId, type VeeId } from '../../domain/ids';
import { SITE_OWNER } from '../../domain/images/reference';
import { hostsClosedTo } from '../../domain/placement/tenancy';
import { makeToken } from '../../store/identities';
import type { ApiDeps } from '../deps';
import { invalid } from '../invalid';
import { json, pageQuery, type Route, route, scopeOf } from '../route';
import { pageOf, usageSchema } from '../schemas';

const name = z.string().regex(NAME_PATTERN);
const instant = z.coerce.number().int().min(0);

const tenantSchema = z.object({
  id: z.string(),
  createdAt: z.int(),
  apartFrom: z
    .array(z.string())
    .optional()
    .describe('On whose hosts it must not be; said of the others, too'),
});

const notApart = (index: number, message: string) =>
  invalid(`/tenants/${index}`, message, 'Name other tenants of this site.');

/** Tenants and their tokens, and what they used. */
export function accountRoutes(deps: ApiDeps): Route[] {
  const { identities, vees } = deps.store;

  return [
    route({
      method: 'get',
      path: '/v1/tenants',
      tag: 'tenants',
      summary: 'List tenants',
      roles: ['operator'],
      query: pageQuery,
      responses: {
        200: { description: 'A page', schema: pageOf(tenantSchema) },
      },
      handler: async ({ query }) => ({ status: 200, body: await identities.tenants(query) }),
    }),
    route({
      method: 'post',
      path: '/v1/tenants',
      tag: 'tenants',
      summary: 'Create a tenant; one that exists stays as it is',
      roles: ['operator'],
      body: json(z.strictObject({ id: name })),
      responses: {
        201: { description: 'The tenant', schema: tenantSchema },
      },
      write: true,
      handler: async ({ body }) => {
        if (body.id === SITE_OWNER)
          throw invalid('/id', 'the site itself is called so, as the owner of images', 'Take another name.');
        return { status: 201, body: await identities.createTenant(body.id as TenantId, Date.now()) };
      },
    }),
    route({
      method: 'put',
      path: '/v1/tenants/{id}/apart-from',
      tag: 'tenants',
      summary: 'Keep a tenant’s VEEs off hosts on which those of others are, from the next decision on',
      roles: ['operator'],
      params: z.strictObject({ id: z.string().max(63) }),
      body: json(z.strictObject({ tenants: z.array(name).max(1_000) })),
      responses: {
        200: {
          description: 'The tenant, and where it shares a host with them now',
          schema: tenantSchema.extend({ sharing: z.array(z.string()) }),
        },
      },
      write: true,
      handler: async ({ params, body, identity, operationId }) => {
        const id = params.id as TenantId;
        const others = [...new Set(body.tenants as TenantId[])];
        const i = body.tenants.indexOf(id);
        if (i >= 0) throw notApart(i, 'a tenant is never kept apart from itself');
        for (const [n, other] of body.tenants.entries())
          if (!(await identities.hasTenant(other as TenantId)))
            throw notApart(n, `there is no tenant ${other}`);
        const tenant = await identities.keepApart(id, others);
        if (!tenant) throw new SluiceError('not-found', 'There is no such tenant.');
        await deps.store.events.append({
          ...{ id: `${operationId}/apart`, at: Date.now(), kind: 'tenant.apart', subject: deps.siteId },
          message: `${identity.name} keeps ${id} apart from ${others.join(', ') || 'nobody any more'}`,
        });
        const closed = hostsClosedTo(id, await identities.apartness(), await vees.places());
        const mine = await vees.find({ tenantId: id, living: true });
        const sharing = [...new Set(mine.map((v) => v.hostId))].filter((h) => closed.has(h));
        return { status: 200, body: { ...tenant, sharing } };
      },
    }),
    route({
      method: 'post',
      path: '/v1/tenants/{id}/tokens',
      tag: 'tenants',
      summary: 'Make a token for a tenant',
      roles: ['operator'],
      params: z.strictObject({ id: z.string().max(63) }),
      body: json(z.strictObject({ name })),
      responses: {
        201: { description: 'The token; it is shown once', schema: z.object({ token: z.string() }) },
      },
      handler: async ({ params, body }) => {
        const tenantId = params.id as TenantId;
        if (!(await identities.hasTenant(tenantId)))
          throw new SluiceError('not-found', 'There is no such tenant.');
        const token = makeToken('tenant');
        await identities.grant(token, { role: 'tenant', tenantId, name: body.name, createdAt: Date.now() });
        return { status: 201, body: { token } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/usage',
      tag: 'usage',
      summary: 'Metered usage by VEE, in a period',
      roles: ['operator', 'tenant'],
      query: z.strictObject({
        tenant: z.string().max(63).optional(),
        service: z.string().max(64).optional(),
        component: z.string().max(63).optional(),
        vee: z.string().max(64).optional(),
        from: instant.default(0),
        to: instant.optional().describe('Until now when left out'),
      }),
      responses: { 200: { description: 'Usage', schema: usageSchema } },
      handler: async ({ identity, query }) => {
        const period = { from: query.from, to: Math.min(query.to ?? Date.now(), Date.now()) };
        if (period.to < period.from)
          throw new SluiceError('request-invalid', '/query/to: lies before from', { pointer: '/query/to' });
        const events = await vees.ledgerEvents({
          tenantId: query.tenant as TenantId | undefined,
          ...scopeOf(identity),
          serviceId: query.service as ServiceId | undefined,
          component: query.component,
          veeId: query.vee as VeeId | undefined,
          before: period.to,
        });
        const items = [...groupBy(events, (e) => e.veeId).values()].flatMap((of) => {
          const usage = usageOf(of, period);
          return usage && usage.heldMillis > 0 ? [usage] : [];
        });
        const totals = totalsOf(items);
        return { status: 200, body: { ...period, items, totals } };
      },
    }),
  ];
}

function totalsOf(items: readonly VeeUsage[]) {
  const exact = (pick: (u: VeeUsage) => string) => items.reduce((n, u) => n + BigInt(pick(u)), 0n).toString();
  const devices = new Map<string, bigint>();
  for (const { devicesMilliseconds = {} } of items)
    for (const [name, n] of Object.entries(devicesMilliseconds))
      devices.set(name, (devices.get(name) ?? 0n) + BigInt(n));
  return {
    vees: items.length,
    activeMillis: items.reduce((n, u) => n + u.activeMillis, 0),
    heldMillis: items.reduce((n, u) => n + u.heldMillis, 0),
    cpuMillisMilliseconds: exact((u) => u.cpuMillisMilliseconds),
    memoryMiBMilliseconds: exact((u) => u.memoryMiBMilliseconds),
    ...(devices.size > 0
      ? { devicesMilliseconds: Object.fromEntries([...devices].map(([name, n]) => [name, n.toString()])) }
      : {}),
  };
}
