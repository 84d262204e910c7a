import { z } from 'zod';
import { HOST_ECONOMY_FIELDS } from '../domain/cost/host-economy';
import { ERROR_CODES } from '../domain/errors';
import { OPERATION_KINDS, OPERATION_STATES } from '../domain/operation/operation';
import { DRIFT_KINDS } from '../domain/reconcile/model';
import { PHASES } from '../domain/service/service';
import { VEE_STATES } from '../domain/vee/state-machine';
import { amounts } from './amounts-schema';
import { planSchema } from './plan-schema';
import { transferSchema } from './transfers';

/** What the API answers with, for the OpenAPI document. Records are shaped by `views.ts`. */
export const millis = z.int().describe('Milliseconds since the epoch, UTC');

export const capacitySchema = amounts.meta({ id: 'Capacity' });

export const problemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(ERROR_CODES as [string, ...string[]]),
    hint: z.string(),
    retryable: z.boolean(),
    requestId: z.string(),
    pointer: z.string().optional(),
    errors: z
      .array(
        z.object({
          pointer: z.string(),
          message: z.string(),
          hint: z.string().optional(),
          line: z.int().optional(),
        }),
      )
      .optional(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem details' });

const errorSummary = z.object({ code: z.string(), detail: z.string() });

export const operationSchema = z
  .object({
    id: z.string(),
    kind: z.enum(OPERATION_KINDS),
    state: z.enum(OPERATION_STATES),
    tenantId: z.string().optional().describe('Absent for operations on hosts and on the site'),
    serviceId: z.string().optional(),
    veeId: z.string().optional(),
    hostId: z.string().optional(),
    parentId: z.string().optional().describe('The operation that asked for this one'),
    behind: z.array(z.string()).optional().describe('What it was queued behind'),
    params: z.record(z.string(), z.unknown()),
    steps: z.array(
      z.object({
        name: z.string(),
        state: z.string(),
        startedAt: millis,
        endedAt: millis.optional(),
        error: errorSummary.optional(),
      }),
    ),
    progress: z.object({ done: z.int(), total: z.int() }),
    cancellable: z.boolean(),
    transfers: z.array(transferSchema).optional().describe('Of what is sent to another host just now'),
    notes: z
      .array(z.object({ about: z.string(), veeId: z.string().optional(), error: errorSummary }))
      .optional()
      .describe('What it left as it was although it completed, and why'),
    stuck: z
      .object({ step: z.string(), direction: z.string(), error: errorSummary, choices: z.array(z.string()) })
      .optional(),
    error: errorSummary.optional(),
    requestedBy: z.string(),
    requestId: z.string(),
    createdAt: millis,
    startedAt: millis.optional(),
    endedAt: millis.optional(),
    links: z.object({
      self: z.string(),
      events: z.string(),
      service: z.string().optional(),
      host: z.string().optional(),
      children: z.string(),
      temporal: z.string().optional(),
    }),
  })
  .meta({ id: 'Operation' });

export const serviceSchema = z
  .object({
    id: z.string(),
    name: z.string(),
    tenantId: z.string(),
    phase: z.enum(PHASES),
    history: z.array(z.object({ phase: z.enum(PHASES), at: millis, operationId: z.string() })),
    instances: z.record(z.string(), z.int()),
    gri: z.string(),
    until: millis.optional().describe('When the site ends it by itself'),
    leaseId: z.string().optional().describe('The reservation that it was applied against'),
    manifestDigest: z.string(),
    recomposition: z
      .object({ manifestDigest: z.string(), operationId: z.string() })
      .optional()
      .describe('The manifest that it is being re-composed to, or was when that failed and was kept so'),
    generation: z.int(),
    createdAt: millis,
    updatedAt: millis,
  })
  .meta({ id: 'Service' });

const loadSchema = z.object({ cpuMillis: z.int(), memoryMiB: z.int() });

export const veeSchema = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    serviceId: z.string(),
    component: z.string(),
    index: z.int(),
    state: z.enum(VEE_STATES),
    hostId: z.string(),
    epoch: z.int(),
    generation: z.int(),
    capacity: capacitySchema,
    image: z.string(),
    networks: z
      .array(
        z.object({
          name: z.string(),
          networkId: z.string(),
          mac: z.string(),
          addresses: z.array(z.string()),
        }),
      )
      .optional()
      .describe('Where it is reached, for its whole life; absent where it is on no network'),
    transition: z.object({ verb: z.string(), operationId: z.string(), since: millis }).nullable(),
    observed: z
      .string()
      .optional()
      .describe('The state that its host last reported; absent when it has not yet'),
    used: loadSchema.optional().describe('What it really uses; absent where that is not measured'),
    legalVerbs: z.array(z.string()).describe('What may be asked of it in its present state'),
    createdAt: millis,
    updatedAt: millis,
  })
  .meta({ id: 'Vee' });

export const hostSchema = z
  .object({
    id: z.string(),
    zone: z.string(),
    labels: z.record(z.string(), z.string()),
    liveness: z.enum(['up', 'suspect', 'lost']),
    cordoned: z.boolean(),
    maintenance: z
      .object({
        operationId: z.string(),
        since: millis,
        drained: z.boolean(),
        cordonedBefore: z.boolean(),
        left: z.array(z.object({ veeId: z.string(), serviceId: z.string(), epoch: z.int() })),
      })
      .optional()
      .describe('While it is emptied, and until it is restored: what left it'),
    fenced: z
      .object({ at: millis, by: z.enum(['command', 'operator', 'epoch']), operationId: z.string() })
      .optional(),
    lastHeartbeatAt: millis,
    fingerprint: z.record(z.string(), z.unknown()),
    ...HOST_ECONOMY_FIELDS,
    reserved: capacitySchema,
    free: capacitySchema,
    measured: loadSchema
      .optional()
      .describe('What is really in use, whoever uses it; absent where that is not measured'),
    vees: z.int(),
    generation: z.int(),
  })
  .meta({ id: 'Host' });

const observation = z.object({
  state: z.string(),
  epoch: z.int(),
  capacity: capacitySchema.optional(),
});

export const driftSchema = z
  .object({
    id: z.string(),
    kind: z.enum(DRIFT_KINDS),
    veeId: z.string(),
    hostId: z.string().describe('Whose report differs from what is recorded'),
    serviceId: z.string().optional(),
    tenantId: z.string().optional(),
    label: z.string().optional(),
    recorded: observation.extend({ hostId: z.string() }).optional(),
    reported: observation.optional(),
    action: z.string().describe('What is done about it; `report` leaves it to a person'),
    because: z.string(),
    firstSeenAt: millis,
    lastSeenAt: millis,
    mendedAt: millis.optional(),
    attempts: z.array(z.string()).describe('Operations that something was asked by because of it'),
  })
  .meta({ id: 'Drift' });

export const pageOf = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), nextCursor: z.string().optional() });

const deviceTime = z
  .record(z.string(), z.string())
  .optional()
  .describe('Devices × milliseconds, by name; absent where none were held');

export const usageSchema = z
  .object({
    from: millis,
    to: millis,
    items: z.array(
      z.object({
        veeId: z.string(),
        tenantId: z.string(),
        serviceId: z.string(),
        component: z.string(),
        index: z.int(),
        activeMillis: z.int(),
        heldMillis: z.int(),
        cpuMillisMilliseconds: z.string(),
        memoryMiBMilliseconds: z.string(),
        devicesMilliseconds: deviceTime,
        hosts: z.array(z.string()),
        intervals: z.array(
          z.object({
            from: millis,
            to: millis.optional(),
            hostId: z.string(),
            state: z.string(),
            capacity: capacitySchema,
          }),
        ),
      }),
    ),
    totals: z.object({
      vees: z.int(),
      activeMillis: z.int(),
      heldMillis: z.int(),
      cpuMillisMilliseconds: z.string(),
      memoryMiBMilliseconds: z.string(),
      devicesMilliseconds: deviceTime,
    }),
  })
  .meta({ id: 'Usage' });

export const invariantsSchema = z
  .object({
    checked: z.int(),
    violations: z.array(z.string()),
    invariants: z.array(
      z.object({ number: z.int(), title: z.string(), checked: z.int(), violations: z.array(z.string()) }),
    ),
  })
  .meta({ id: 'Invariants' });

/** What a route answers that starts an operation. */
export const started = {
  202: { description: 'Started: the operation', schema: operationSchema },
  200: { description: 'Dry run: the plan', schema: planSchema },
};
