import { z } from 'zod';
import { SluiceError } from '../../domain/errors';
import { NAME_PATTERN, type TenantId } from '../../domain/ids';
import { capacitySchema, manifestSchema } from '../../domain/manifest/schema';
import { SLA_CLASSES } from '../../domain/manifest/sla-class';
import { roomForShape } from '../../domain/placement/room';
import { readFailoverQuestion } from '../../store/failover-question';
import { takeSnapshot } from '../../store/snapshot';
import { takeSnapshotWithSpare } from '../../store/spare';
import type { ApiDeps } from '../deps';
import { requireLicences } from '../known-licences';
import { readManifest } from '../manifest-body';
import { pinImages } from '../pin-images';
import { json, type Route, route } from '../route';

const shapeSchema = capacitySchema.extend({
  image: z.string().min(1).max(255).optional().describe('Only hosts that have it'),
  labels: z
    .record(z.string().max(63), z.string().max(63))
    .default({})
    .describe('Only hosts with all of these'),
});

const limitSchema = z.object({ because: z.string(), hosts: z.int() });

const shapeRoomSchema = z
  .object({
    fits: z.int(),
    fitsIfWhole: z.int().describe('If all that is free on hosts that may take them were on one host'),
    hosts: z.array(z.object({ hostId: z.string(), fits: z.int(), because: z.string() })),
    limits: z.array(limitSchema).describe('What keeps how many hosts from taking more'),
    keptForLossOf: z
      .enum(['host', 'zone'])
      .optional()
      .describe('Room is kept for that, and is counted here all the same: fewer would be placed'),
  })
  .meta({ id: 'ShapeRoom' });

const serviceRoomSchema = z
  .object({
    services: z.int(),
    veesEach: z.int(),
    orMore: z.boolean().describe('Counting ended there: there may be room for more'),
    because: z.string().optional().describe('Why one more does not fit'),
    hosts: z.array(z.object({ hostId: z.string(), before: z.number(), after: z.number() })),
  })
  .meta({ id: 'ServiceRoom' });

const survivalSchema = z.object({ survived: z.int(), of: z.int() });

const failoverSchema = z
  .object({
    lost: z.array(z.string()).describe('Lost already: what was there is to find a place as well'),
    hosts: survivalSchema,
    zones: survivalSchema,
    pairs: survivalSchema.extend({
      sampled: z.boolean().describe('Some of all pairs were tried, the same ones for the same site'),
    }),
    losses: z
      .array(
        z.object({
          what: z.string(),
          hostIds: z.array(z.string()),
          strandedVees: z.int(),
          stranded: z.array(
            z.object({
              service: z.string(),
              component: z.string(),
              index: z.int(),
              slaClass: z.enum(SLA_CLASSES),
              because: z.string(),
            }),
          ),
        }),
      )
      .describe(
        'Losses that are not survived, of hosts and then of zones, with the first of what has no place',
      ),
    counted: z.int().describe('How many VEEs have to find a place'),
    moreLosses: z.int().describe('So many more are not survived, and not named'),
  })
  .meta({ id: 'Failover' });

const ratesSchema = z.object({
  hosts: survivalSchema,
  zones: survivalSchema,
  pairs: survivalSchema.extend({ sampled: z.boolean() }),
});
const admissionSchema = z
  .object({
    admit: z.boolean(),
    because: z.string(),
    places: z.array(z.object({ component: z.string(), index: z.int(), hostId: z.string() })).optional(),
    before: ratesSchema.optional().describe('Losses that the site survives without it'),
    after: ratesSchema.optional().describe('and with it'),
    own: ratesSchema.optional().describe('Losses after which all of it has a place'),
    more: serviceRoomSchema.optional(),
    profit: z
      .object({
        benefitPerHour: z.number(),
        hostingPerHour: z.number(),
        compensationPerHour: z.number(),
        perHour: z.number(),
      })
      .optional()
      .describe('In the currency of the site, under a policy that knows what VEEs bring in'),
  })
  .meta({ id: 'Admission' });

const ANY_TENANT = 'any' as TenantId;

/** Questions about what would fit. They reserve nothing: who comes first has the place. */
export function capacityRoutes({ store, siteId, planner, policies }: ApiDeps): Route[] {
  return [
    route({
      method: 'post',
      path: '/v1/capacity/vees',
      tag: 'capacity',
      summary: 'How many VEEs of a size have room now, where, and what keeps hosts from taking more',
      roles: ['operator'],
      body: json(shapeSchema),
      responses: { 200: { description: 'The room', schema: shapeRoomSchema } },
      handler: async ({ body: { image, labels, ...need } }) => {
        const [snapshot, spare] = await Promise.all([
          takeSnapshot(store, Date.now()),
          store.site.spare(siteId),
        ]);
        const room = roomForShape(snapshot, { need, image, labels });
        return { status: 200, body: { ...room, ...(spare ? { keptForLossOf: spare.lose } : {}) } };
      },
    }),
    route({
      method: 'get',
      path: '/v1/capacity/failover',
      tag: 'capacity',
      summary:
        'Which losses of a host, a zone or two hosts the site would survive now, and what would be stranded',
      roles: ['operator'],
      query: z.strictObject({
        class: z.enum(SLA_CLASSES).default('bronze').describe('What has a lower class may be stranded'),
      }),
      responses: { 200: { description: 'The fail-over rate', schema: failoverSchema } },
      handler: async ({ query }) => {
        const question = await readFailoverQuestion(store, Date.now(), query.class);
        const body = await policies.ask((policy) => planner.failover({ ...question, policy }));
        return { status: 200, body };
      },
    }),
    route({
      method: 'post',
      path: '/v1/capacity/admission',
      tag: 'capacity',
      summary: 'Should a service be taken on: has it room, what could be lost then, and how many more fit',
      roles: ['operator'],
      query: z.strictObject({
        tenant: z
          .string()
          .regex(NAME_PATTERN)
          .default(ANY_TENANT)
          .describe('Whose it would be; nobody’s in particular when left out'),
        class: z.enum(SLA_CLASSES).default('bronze').describe('What has a lower class may be stranded'),
      }),
      body: { schema: manifestSchema, media: ['application/json', 'application/yaml'] },
      responses: { 200: { description: 'The answer', schema: admissionSchema } },
      handler: async ({ req, query }) => {
        const tenantId = query.tenant as TenantId;
        const manifest = await pinImages(store, readManifest(req.body), tenantId);
        await requireLicences(store, manifest);
        if (tenantId !== ANY_TENANT && !(await store.identities.hasTenant(tenantId)))
          throw new SluiceError('not-found', `There is no tenant "${tenantId}".`);
        const now = Date.now();
        const site = await readFailoverQuestion(store, now, query.class, () =>
          takeSnapshotWithSpare(store, siteId, now),
        );
        const body = await policies.ask((policy) =>
          planner.admission({ ...site, manifest, tenantId, policy }),
        );
        return { status: 200, body };
      },
    }),
    route({
      method: 'post',
      path: '/v1/capacity/services',
      tag: 'capacity',
      summary: 'How many services of a manifest have room now, and why not one more',
      roles: ['operator'],
      body: { schema: manifestSchema, media: ['application/json', 'application/yaml'] },
      responses: { 200: { description: 'The room', schema: serviceRoomSchema } },
      handler: async ({ req }) => {
        const manifest = await pinImages(store, readManifest(req.body), ANY_TENANT);
        await requireLicences(store, manifest);
        const snapshot = await takeSnapshotWithSpare(store, siteId, Date.now());
        const body = await policies.ask((policy) => planner.roomForService({ snapshot, manifest, policy }));
        return { status: 200, body };
      },
    }),
  ];
}
