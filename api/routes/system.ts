import { z } from 'zod';
import type { ServiceId, TenantId } from '../../domain/ids';
import { checkInvariants } from '../../domain/invariants/check';
import { manifestJsonSchema } from '../../domain/manifest/schema';
import type { ApiDeps } from '../deps';
import { pageQuery, type Route, route, scopeOf } from '../route';
import { invariantsSchema, pageOf } from '../schemas';
import { readSystemState } from '../system-state';
import { eventView } from '../views';

/** What the site knows about itself as a whole. */
export function systemRoutes(deps: ApiDeps): Route[] {
  const { store } = deps;

  return [
    route({
      method: 'get',
      path: '/v1/events',
      tag: 'events',
      summary: 'What happened, newest first',
      roles: ['operator', 'tenant'],
      query: pageQuery.extend({
        service: z.string().max(64).optional(),
        subject: z.string().max(64).optional(),
        tenant: z.string().max(63).optional(),
        alert: z.literal('true').optional().describe('Only what somebody has to look at'),
      }),
      responses: { 200: { description: 'A page', schema: pageOf(z.unknown()) } },
      handler: async ({ identity, query: { service, subject, tenant, alert, ...page } }) => {
        const filter = {
          tenantId: tenant as TenantId | undefined,
          ...scopeOf(identity),
          serviceId: service as ServiceId | undefined,
          subject,
          ...(alert ? { alert: true as const } : {}),
        };
        const { items, ...rest } = await store.events.page(filter, page);
        return { status: 200, body: { items: items.map((e) => eventView(e, identity)), ...rest } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/holdings',
      tag: 'holdings',
      summary: 'Capacity held on hosts, and by which operation',
      roles: ['operator'],
      responses: { 200: { description: 'What is held', schema: z.object({ items: z.array(z.unknown()) }) } },
      handler: async () => {
        const hosts = await store.hosts.all();
        return {
          status: 200,
          body: {
            items: hosts.flatMap((h) =>
              Object.entries(h.reservations).map(([veeId, r]) => ({ hostId: h.id, veeId, ...r })),
            ),
          },
        };
      },
    }),
    route({
      method: 'get',
      path: '/v1/invariants',
      tag: 'invariants',
      summary: 'Check the invariants of the live system',
      roles: ['operator'],
      responses: {
        200: {
          description: 'Each invariant with what was checked and what is broken',
          schema: invariantsSchema,
        },
      },
      handler: async () => {
        const invariants = checkInvariants(await readSystemState(deps, Date.now()));
        const violations = invariants.flatMap((i) => i.violations.map((v) => `${i.number}: ${v}`));
        return { status: 200, body: { checked: invariants.length, violations, invariants } };
      },
    }),
    route({
      method: 'get',
      path: '/schemas/manifest.v1.json',
      tag: 'schemas',
      summary: 'JSON Schema of the manifest, for editors',
      roles: 'public',
      responses: { 200: { description: 'JSON Schema' } },
      handler: async () => ({ status: 200, body: manifestJsonSchema() }),
    }),
    route({
      method: 'get',
      path: '/healthz',
      tag: 'health',
      summary: 'Is this process alive?',
      roles: 'public',
      responses: { 200: { description: 'Yes' } },
      handler: async () => ({ status: 200, body: { status: 'ok' } }),
    }),
    route({
      method: 'get',
      path: '/readyz',
      tag: 'health',
      summary: 'Can it serve: are both engines reachable?',
      roles: 'public',
      responses: { 200: { description: 'Yes' }, 503: { description: 'No' } },
      handler: async () => {
        const [database, temporal] = await Promise.all([
          reachable(store.ping()),
          reachable(
            deps.temporal.withDeadline(Date.now() + 2_000, () => deps.temporal.connection.ensureConnected()),
          ),
        ]);
        const ready = database && temporal;
        return {
          status: ready ? 200 : 503,
          body: { status: ready ? 'ready' : 'not ready', database, temporal },
        };
      },
    }),
  ];
}

const reachable = (call: Promise<unknown>) =>
  call.then(
    () => true,
    () => false,
  );
