import { z } from 'zod';
import { NAME_PATTERN } from '../ids';
import { IMAGE_REFERENCE_PATTERN } from '../images/reference';
import { MOST_EXPRESSION_CHARACTERS } from '../placement/expressions';
import { contextFields } from './context-schema';
import { maintenanceWindowSchema } from './maintenance-windows';
import { componentNetworks, componentPorts, networksShape } from './networks-schema';
import { SLA_CLASSES } from './sla-class';

/**
 * The service definition manifest, version 1, with all eight parts of RESERVOIR's (seed 000 §2):
 * component types, image, groups, topology, capacity, elasticity rules, service level objectives and the
 * monitoring specification. Objects are strict: an unknown field is an error, never ignored. What the
 * schema knows but this release does not execute is refused by `not-executed.ts`.
 */
const name = z
  .string()
  .regex(NAME_PATTERN, 'lower-case letters, digits and "-", starting with a letter, at most 63 characters');

const MAX_INSTANCES = 1_000;
const positive = (max: number) => z.int().min(1).max(max);

export const devicesSchema = z
  .record(name, positive(1_000))
  .refine((devices) => Object.keys(devices).length <= 16, 'at most 16 names')
  .describe('Whole devices by name, as the settings of hosts call them; never scaled');

export const capacitySchema = z
  .strictObject({
    cpuMillis: positive(256_000).describe('Thousandths of a core'),
    memoryMiB: positive(4_194_304).describe('MiB (2^20 bytes)'),
    diskMiB: z.int().min(0).max(1_073_741_824).default(0).describe('MiB (2^20 bytes)'),
    bandwidthKbps: z.int().min(0).max(400_000_000).default(0).describe('kbit/s'),
    devices: devicesSchema.optional(),
  })
  .describe('What one instance needs');

export const readinessSchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('running') }).describe('Ready as soon as it runs'),
  z
    .strictObject({
      kind: z.literal('exec'),
      command: z.array(z.string().min(1)).min(1).max(64),
      periodMillis: z.int().min(50).max(60_000).default(250),
      timeoutMillis: z.int().min(100).max(3_600_000).default(30_000),
    })
    .describe('Ready when the command exits with 0 inside the VEE'),
  z.strictObject({ kind: z.literal('tcp'), port: positive(65_535) }).describe('Not executed yet'),
  z
    .strictObject({ kind: z.literal('http'), port: positive(65_535), path: z.string().startsWith('/') })
    .describe('Not executed yet'),
]);

const instancesSchema = z
  .strictObject({
    min: z.int().min(0).max(MAX_INSTANCES).default(1),
    initial: z.int().min(0).max(MAX_INSTANCES).default(1),
    max: positive(MAX_INSTANCES).default(1),
  })
  .describe('An elastic array where max exceeds min: the count may be scaled between them');

const componentSchema = z.strictObject({
  name,
  description: z.string().max(500).optional(),
  image: z
    .string()
    .regex(IMAGE_REFERENCE_PATTERN, 'an image such as "busybox", "acme/web" or "web@sha256:…"')
    .describe('An image of the registry, by name or by the digest of a version; else one that hosts have'),
  command: z.array(z.string().max(4_096)).min(1).max(64).optional(),
  environment: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string().max(4_096)).default({}),
  ...contextFields,
  capacity: capacitySchema,
  licences: z
    .array(name)
    .max(16)
    .optional()
    .describe(
      'Names of licences of the site that each instance takes; it is placed only while there are some',
    ),
  instances: instancesSchema.prefault({}),
  networks: componentNetworks,
  ports: componentPorts,
  readiness: readinessSchema.prefault({ kind: 'running' }),
  stopGraceMillis: z.int().min(0).max(600_000).default(2_000),
  drain: z
    .strictObject({
      command: z.array(z.string().min(1)).min(1).max(64),
      timeoutMillis: z.int().min(100).max(3_600_000).default(30_000),
    })
    .optional()
    .describe(
      'Run inside an instance before it is ended for good, so that it can hand over what it is doing',
    ),
});

const groupSchema = z
  .strictObject({
    name,
    components: z.array(name).min(2).max(100),
  })
  .describe('Heterogeneous components placed as one allocation unit: all of them or none');

const topologySchema = z.strictObject({
  dependencies: z
    .array(z.strictObject({ component: name, dependsOn: z.array(name).min(1).max(100) }))
    .max(100)
    .default([])
    .describe(
      'A component starts when all instances of those it depends on are ready, and stops before them',
    ),
});

const onFailureSchema = z
  .enum(['rollback', 'keep'])
  .default('rollback')
  .describe('What becomes of what was done when a part of it fails');

const provisioningSchema = z
  .strictObject({ onFailure: onFailureSchema })
  .describe('How the service is started for the first time');

const updateSchema = z
  .strictObject({
    maxUnavailable: z
      .int()
      .min(0)
      .max(MAX_INSTANCES)
      .default(0)
      .describe('How many instances of a component may be missing at any moment'),
    maxSurge: z
      .int()
      .min(0)
      .max(MAX_INSTANCES)
      .default(1)
      .describe('How many instances of a component may be there beyond its count at any moment'),
    onFailure: onFailureSchema,
  })
  .describe('How a running service is re-composed to this manifest');

/** The narrower first. */
export const LEVELS = ['host', 'zone', 'site'] as const;
const levelSchema = z.enum(LEVELS).default('host');
const weightSchema = positive(1_000)
  .optional()
  .describe(
    'With it the rule is a preference: kept where it can be, the heavier the rather; without it always',
  );
const expressionSchema = z.string().min(1).max(MOST_EXPRESSION_CHARACTERS);
const placementSchema = z.strictObject({
  affinity: z
    .array(
      z.strictObject({
        together: z.array(name).min(1).max(100),
        level: levelSchema,
        weight: weightSchema,
      }),
    )
    .max(100)
    .default([]),
  antiAffinity: z
    .array(
      z.union([
        z.strictObject({
          between: z.array(name).min(2).max(100),
          level: levelSchema,
          weight: weightSchema,
        }),
        z.strictObject({
          within: name,
          level: levelSchema,
          // Left out rather than filled with 1: the digest of a manifest without it stays what it was.
          most: positive(MAX_INSTANCES)
            .optional()
            .describe('So many may share a host or zone; 1 unless said otherwise'),
          weight: weightSchema,
        }),
      ]),
    )
    .max(100)
    .default([]),
  assignment: z
    .array(
      z.strictObject({
        component: name,
        labels: z.record(z.string().min(1).max(63), z.string().max(63)).default({}),
        allowHosts: z.array(z.string().min(1)).min(1).max(1_000).optional(),
        denyHosts: z.array(z.string().min(1)).max(1_000).default([]),
        weight: weightSchema,
      }),
    )
    .max(100)
    .default([]),
  // No defaults from here on: the digest of a manifest without them stays what it was.
  require: z
    .array(
      z.strictObject({
        component: name,
        expression: expressionSchema.describe('CEL over `host`, true for hosts that will do'),
        weight: weightSchema,
      }),
    )
    .max(100)
    .optional(),
  rank: z
    .array(
      z.strictObject({
        component: name,
        expression: expressionSchema.describe('CEL over `host`, a number: the highest is chosen'),
      }),
    )
    .max(100)
    .optional(),
  spread: z
    .array(
      z.strictObject({
        component: name,
        maxSkew: positive(MAX_INSTANCES)
          .default(1)
          .describe('So many more than in the zone that has the fewest may be in one zone'),
        weight: weightSchema,
      }),
    )
    .max(100)
    .optional(),
});

const elasticitySchema = z.strictObject({
  rules: z
    .array(
      z.strictObject({
        name,
        component: name,
        kpi: name,
        windowMillis: positive(86_400_000),
        scaleOutAbove: z.number().optional(),
        scaleInBelow: z.number().optional(),
        step: positive(100).default(1),
        cooldownMillis: z.int().min(0).default(60_000),
      }),
    )
    .max(100)
    .default([]),
});

const sloSchema = z.strictObject({
  name,
  kpi: name,
  upperBound: z.number().optional(),
  lowerBound: z.number().optional(),
  periodMillis: positive(31_622_400_000),
  compensation: z
    .strictObject({ amountMinor: z.int().min(0), currency: z.string().regex(/^[A-Z]{3}$/) })
    .optional(),
});

const monitoringSchema = z.strictObject({
  kpis: z
    .array(
      z.strictObject({
        name,
        component: name.optional(),
        unit: z.string().max(32).optional(),
        periodMillis: positive(3_600_000),
      }),
    )
    .max(200)
    .default([]),
});

export const manifestSchema = z
  .strictObject({
    apiVersion: z.literal('sluice/v1'),
    kind: z.literal('Service'),
    name,
    description: z.string().max(2_000).optional(),
    slaClass: z
      .enum(SLA_CLASSES)
      .optional()
      .describe('Who comes first when a lost host leaves too little room for all; bronze when left out'),
    capacityScalePercent: z
      .int()
      .min(1)
      .max(1_000)
      .default(100)
      .describe('Multiplies every capacity: one manifest serves a laptop and a data centre'),
    components: z.array(componentSchema).min(1).max(100),
    networks: networksShape,
    groups: z.array(groupSchema).max(100).default([]),
    topology: topologySchema.prefault({}),
    // Left out rather than filled with their defaults: the digest of a manifest without them stays what it was.
    provisioning: provisioningSchema.optional(),
    update: updateSchema.optional(),
    maintenanceWindows: z
      .array(maintenanceWindowSchema)
      .min(1)
      .max(50)
      .optional()
      .describe('When the site may move its VEEs to better itself; at any time when left out'),
    placement: placementSchema.prefault({}),
    elasticity: elasticitySchema.prefault({}),
    slos: z.array(sloSchema).max(100).default([]),
    monitoring: monitoringSchema.prefault({}),
  })
  .describe('A service definition manifest');

export type Manifest = z.infer<typeof manifestSchema>;
export type ManifestComponent = Manifest['components'][number];
export type ManifestNetwork = NonNullable<Manifest['networks']>[number];

/** The published JSON Schema (draft 2020-12) of what a provider writes: defaults may be left out. */
export function manifestJsonSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(manifestSchema, { io: 'input' }),
    $id: 'https://sluice.example/schemas/manifest.v1.json',
    title: 'Sluice service manifest, version 1',
  };
}
