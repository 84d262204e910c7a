import { z } from 'zod';
import { type LeaseId, NAME_PATTERN, type TenantId } from '../../domain/ids';
import {
  LEASE_KINDS,
  type Lease,
  type LeaseShape,
  MOST_LEASED,
  stateOfLease,
} from '../../domain/leases/model';
import type { LeaseTime } from '../../domain/leases/plan';
import { capacitySchema } from '../../domain/manifest/schema';
import { NO_COST } from '../../domain/operation/plan-cost';
import { utcText } from '../../domain/utc';
import { readLeaseSite } from '../../store/snapshot';
import type { ApiDeps } from '../deps';
import { planOf } from '../dry-run';
import { leaseTimeOf, leaseView, makeLease, whyNoLease } from '../make-lease';
import { ownerOf } from '../owner';
import {
  type Answer,
  byId,
  type Context,
  dryRunQuery,
  found,
  json,
  OPERATED,
  pageQuery,
  type Route,
  route,
  scopeOf,
} from '../route';
import { millis, pageOf } from '../schemas';

const leaseSchema = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    name: z.string(),
    kind: z.enum(LEASE_KINDS),
    state: z.enum(['planned', 'active', 'ended', 'cancelled']),
    count: z.int(),
    each: capacitySchema,
    image: z.string().optional(),
    labels: z.record(z.string(), z.string()),
    apart: z.boolean(),
    from: millis,
    until: millis.describe('The first instant that is not part of it any more'),
    places: z
      .array(z.object({ hostId: z.string(), count: z.int() }))
      .optional()
      .describe('How many on which host; for operators only'),
    atRisk: z.string().optional().describe('Why what is promised might not be there'),
    services: z
      .array(z.object({ id: z.string(), name: z.string(), until: millis.optional() }))
      .optional()
      .describe('What was applied against it and is there'),
    cancelledAt: millis.optional(),
    requestedBy: z.string(),
    createdAt: millis,
    generation: z.int(),
  })
  .meta({ id: 'Reservation' });

const askedSchema = z.strictObject({
  name: z.string().regex(NAME_PATTERN),
  count: z.int().min(1).max(MOST_LEASED),
  each: capacitySchema.describe('What each place has'),
  image: z.string().min(1).max(255).optional().describe('Only hosts that have it'),
  labels: z
    .record(z.string().max(63), z.string().max(63))
    .default({})
    .describe('Only hosts with all of these'),
  apart: z.boolean().default(false).describe('Each on a host of its own'),
  from: millis.optional().describe('When it begins; at once, or not at all, when left out'),
  bestEffort: z.boolean().default(false).describe('It begins as soon as there is room; the answer says when'),
  until: millis.optional().describe('When it ends; of one that begins as soon as it can, by when'),
  forMillis: z.int().min(0).optional().describe('How long it lasts'),
});

const done = { description: 'The reservation', schema: leaseSchema };

/** Places that are promised for a time. (`/v1/holdings` lists what VEEs hold already.) */
export const leaseRoutes = (deps: ApiDeps): Route[] => [
  ...routesAt('/v1/reservations', deps),
  // As they were called before they had one name.
  ...routesAt('/v1/leases', deps, { deprecated: true }),
];

function routesAt(path: string, deps: ApiDeps, old: { readonly deprecated?: true } = {}): Route[] {
  const { store } = deps;

  const told = (lease: Lease, context: Pick<Context, 'identity'>, more = {}) => ({
    ...leaseView(lease, stateOfLease(lease, Date.now()), context.identity),
    ...more,
  });

  async function load(context: Context<unknown>, id: string): Promise<Lease> {
    const lease = await store.leases.get(id as LeaseId);
    return found(context.identity, 'reservation', lease?.confirmed ? lease : undefined);
  }

  async function tell(lease: Lease, { identity, operationId }: Context, done: string): Promise<void> {
    const { id, tenantId, name, from, until } = lease;
    await store.events.append({
      id: `${operationId}/lease`,
      at: Date.now(),
      kind: `lease.${done}`,
      message: `${identity.name} has ${done} reservation ${name} (${utcText(from)} to ${utcText(until)})`,
      tenantId,
      subject: id,
    });
  }

  return [
    route({
      method: 'post',
      path,
      tag: 'reservations',
      ...old,
      summary: 'Reserve places for a time: from now on, from a time on, or as soon as there is room',
      // One would keep all that has no end from coming: who gets that is the site's to say.
      roles: ['operator'],
      query: dryRunQuery.extend({
        tenant: z.string().max(63).optional().describe('Whose it is; has to be said'),
      }),
      body: json(askedSchema),
      responses: { 200: { description: 'The plan, of a dry run', schema: z.unknown() }, 201: done },
      write: true,
      dryRun: true,
      handler: async (context) => {
        const tenantId = await ownerOf(deps, context, 'Operators must say whose reservation it is');
        const shape = shapeOf(tenantId, context.body);
        const time = leaseTimeOf(context.body, Date.now());
        if (context.dryRun) return dryRun(deps, shape, time);
        const lease = await makeLease(deps, context, context.body.name, shape, time);
        await tell(lease, context, 'made');
        return { status: 201, body: told(lease, context), headers: { Location: `${path}/${lease.id}` } };
      },
    }),
    route({
      method: 'get',
      path,
      tag: 'reservations',
      ...old,
      summary: 'List reservations',
      roles: OPERATED,
      query: pageQuery.extend({
        name: z.string().max(63).optional(),
        living: z.stringbool().default(false).describe('Only those that are neither over nor cancelled'),
      }),
      responses: { 200: { description: 'A page', schema: pageOf(leaseSchema) } },
      handler: async (context) => {
        const { name, living, ...page } = context.query;
        const filter = {
          ...scopeOf(context.identity),
          ...(name ? { name } : {}),
          ...(living ? { live: true } : {}),
        };
        const { items, ...rest } = await store.leases.page(filter, page);
        return { status: 200, body: { items: items.map((l) => told(l, context)), ...rest } };
      },
    }),
    route({
      method: 'get',
      path: `${path}/{id}`,
      tag: 'reservations',
      ...old,
      summary: 'One reservation, with what uses it',
      roles: OPERATED,
      params: byId,
      responses: { 200: done },
      handler: async (context) => {
        const lease = await load(context, context.params.id);
        const services = (await store.services.limited())
          .filter((s) => s.leaseId === lease.id)
          .map(({ id, name, until }) => ({ id, name, ...(until === undefined ? {} : { until }) }));
        return { status: 200, body: told(lease, context, { services }) };
      },
    }),
    route({
      method: 'delete',
      path: `${path}/{id}`,
      tag: 'reservations',
      ...old,
      summary: 'Cancel a reservation; what was applied against it goes on until its own end',
      roles: ['operator'],
      params: byId,
      responses: { 200: done },
      write: true,
      handler: async (context) => {
        const lease = await load(context, context.params.id);
        const now = Date.now();
        // What is promised to one that is over the site's look takes back, and says so.
        if (stateOfLease(lease, now) === 'ended') return { status: 200, body: told(lease, context) };
        if (await store.leases.end(lease.id, now)) await tell(lease, context, 'cancelled');
        await store.hosts.withdraw(lease.id);
        return { status: 200, body: told((await store.leases.get(lease.id)) ?? lease, context) };
      },
    }),
  ];
}

function shapeOf(
  tenantId: TenantId,
  { count, each, image, labels, apart }: z.output<typeof askedSchema>,
): LeaseShape {
  return { tenantId, count, each, labels, apart, ...(image ? { image } : {}) };
}

async function dryRun({ store, planner }: ApiDeps, shape: LeaseShape, time: LeaseTime): Promise<Answer> {
  const site = await readLeaseSite(store, Date.now());
  const plan = await planner.planLease({ site, shape, time });
  const operation = 'reservation.create';
  if (plan.kind === 'no-lease') {
    const why = whyNoLease(plan, shape.count);
    return { status: 200, body: { dryRun: true, operation, feasible: false, steps: [], why } };
  }
  const { from, until, places } = plan;
  const when = `from ${utcText(from)} until ${utcText(until)}`;
  const steps = places.map((p) => `promise ${p.count} on ${p.hostId} ${when}`);
  return planOf(operation, steps, NO_COST, { from, until });
}
