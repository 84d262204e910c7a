import { z } from 'zod';
import { type LivenessPolicy, RECOVERY_MODES, type RecoveryMode } from '../domain/host';
import { NAME_PATTERN, type SiteId } from '../domain/ids';
import { DEFAULT_MIGRATION_BUDGET, type MigrationBudget } from '../domain/migration/estimate';
import { DEFAULT_NETWORK_POOL, type NetworkPool, poolFault } from '../domain/network/pool';
import { DEFAULT_TIMING, type OperationTiming } from '../domain/operation/operation';
import { POLICY_NAMES } from '../domain/placement/built-in-policies';
import type { PolicyData } from '../domain/placement/policy';
import { DEFAULT_DRIFT_POLICY, type DriftPolicy } from '../domain/reconcile/model';
import { USUAL_BATCH } from '../domain/service/batches';
import { MOST_OPERATIONS_A_RUN } from '../domain/service/messages';
import { MOST_LOOK_MILLIS } from '../domain/service/time-to-go';

const millis = (fallback: number) => z.coerce.number().int().min(10).max(3_600_000).default(fallback);

const kbps = (fallback: number) => z.coerce.number().int().min(1).max(400_000_000).default(fallback);

const periodMillis = (fallback: number, most = 86_400_000) =>
  z.coerce
    .number()
    .int()
    .max(most)
    .refine((n) => n === 0 || n >= 1_000, 'give 0 for never, or 1000 and more')
    .default(fallback);

/** What every process of a site reads from its environment. Temporal's own variables: see `temporal/connection.ts`. */
const siteSchema = z.object({
  SLUICE_SITE: z.string().regex(NAME_PATTERN).default('home'),
  MONGODB_URI: z.string().min(1),
  SLUICE_DATABASE: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,38}$/)
    .default('sluice'),
  SLUICE_PLACEMENT_POLICY: z.enum(POLICY_NAMES).default('striping'),
  SLUICE_POLICY_DIR: z.string().min(1).optional(),
  SLUICE_ALGORITHM_DIR: z.string().min(1).optional(),
  SLUICE_LARGE_SITE: z.coerce.number().int().min(0).default(5_000),
  SLUICE_RECOVERY: z.enum(RECOVERY_MODES).default('fenced'),
  SLUICE_FENCE_COMMAND: z.string().min(1).optional(),
  SLUICE_FENCE_TIMEOUT_MILLIS: millis(30_000),
  SLUICE_RECONCILE_MILLIS: periodMillis(60_000),
  SLUICE_REBALANCE_MILLIS: periodMillis(0),
  SLUICE_LEASES_MILLIS: periodMillis(10_000, MOST_LOOK_MILLIS),
  SLUICE_ORPHAN_GRACE_MILLIS: z.coerce
    .number()
    .int()
    .min(0)
    .max(86_400_000)
    .default(DEFAULT_DRIFT_POLICY.graceMillis),
  SLUICE_SUSPECT_MILLIS: millis(5_000),
  SLUICE_LOST_MILLIS: millis(30_000),
  SLUICE_BATCH_SIZE: z.coerce.number().int().min(1).max(USUAL_BATCH).default(USUAL_BATCH),
  SLUICE_NETWORK_POOL: z
    .string()
    .default(DEFAULT_NETWORK_POOL)
    .superRefine((pool, context) => {
      const fault = poolFault(pool);
      if (fault) context.addIssue(fault);
    }),
  SLUICE_NETWORK_POOL_PER_TENANT: z.coerce.number().int().min(1).optional(),
  SLUICE_ENTITY_OPERATIONS: z.coerce
    .number()
    .int()
    .min(1)
    .max(MOST_OPERATIONS_A_RUN)
    .default(MOST_OPERATIONS_A_RUN),
  SLUICE_WORKFLOW_BUNDLE: z.string().min(1).optional(),
  SLUICE_ATTEMPT_MILLIS: millis(DEFAULT_TIMING.attemptMillis),
  SLUICE_MIGRATION_LINK_KBPS: kbps(DEFAULT_MIGRATION_BUDGET.linkKbps),
  SLUICE_MIGRATION_STREAM_KBPS: kbps(DEFAULT_MIGRATION_BUDGET.streamKbps),
  SLUICE_MIGRATION_MOST_KBPS: z.coerce.number().int().min(1).max(400_000_000).optional(),
  SLUICE_MIGRATION_DIRTY_KBPS: z.coerce.number().int().min(0).max(400_000_000).optional(),
  SLUICE_GIVE_UP_MILLIS: millis(DEFAULT_TIMING.giveUpMillis),
  SLUICE_UNDO_GIVE_UP_MILLIS: millis(DEFAULT_TIMING.undoGiveUpMillis),
});

export interface SiteSettings {
  readonly siteId: SiteId;
  readonly mongoUri: string;
  readonly database: string;
  readonly placementPolicy: PolicyData;
  /** Where policies are that were added to those built in. */
  readonly policyFolder: string | undefined;
  /** The same for algorithms. */
  readonly algorithmFolder: string | undefined;
  readonly migrationBudget: MigrationBudget;
  readonly liveness: LivenessPolicy;
  /** From so many hosts and VEEs on only what changes is read, see `store/site-contents.ts`. */
  readonly largeFrom: number;
  readonly recovery: RecoveryMode;
  readonly fencing: { readonly command: string; readonly timeoutMillis: number } | undefined;
  readonly timing: OperationTiming;
  /** How often drift is looked for; 0 for never. */
  readonly reconcileMillis: number;
  /** How often an uneven load is looked for; 0 for never. */
  readonly rebalanceMillis: number;
  /** How often it is looked at what is to end and what is promised; 0 for never. */
  readonly leasesMillis: number;
  readonly drift: DriftPolicy;
  readonly batchSize: number;
  /** Where networks of services have their subnets from, if they name none. */
  readonly networkPool: NetworkPool;
  /** After so many operations an entity continues as new. */
  readonly entityOperations: number;
  /** Where the workflows are, bundled; those that were built with the worker when it isn't set. */
  readonly workflowBundle: string | undefined;
}

/** Starting again would change nothing: somebody has to mend the environment. */
export class UnusableEnvironment extends Error {}

/** @throws UnusableEnvironment that names each variable that is wrong, in one message */
export function siteSettings(environment: NodeJS.ProcessEnv = process.env): SiteSettings {
  const env = readEnvironment(siteSchema, environment);
  return {
    siteId: env.SLUICE_SITE as SiteId,
    mongoUri: env.MONGODB_URI,
    database: env.SLUICE_DATABASE,
    placementPolicy: { name: env.SLUICE_PLACEMENT_POLICY },
    policyFolder: env.SLUICE_POLICY_DIR,
    algorithmFolder: env.SLUICE_ALGORITHM_DIR,
    migrationBudget: {
      linkKbps: env.SLUICE_MIGRATION_LINK_KBPS,
      streamKbps: env.SLUICE_MIGRATION_STREAM_KBPS,
      ...(env.SLUICE_MIGRATION_MOST_KBPS === undefined ? {} : { mostKbps: env.SLUICE_MIGRATION_MOST_KBPS }),
      ...(env.SLUICE_MIGRATION_DIRTY_KBPS === undefined
        ? {}
        : { dirtyKbps: env.SLUICE_MIGRATION_DIRTY_KBPS }),
    },
    liveness: { suspectAfterMillis: env.SLUICE_SUSPECT_MILLIS, lostAfterMillis: env.SLUICE_LOST_MILLIS },
    largeFrom: env.SLUICE_LARGE_SITE,
    recovery: env.SLUICE_RECOVERY,
    fencing:
      env.SLUICE_FENCE_COMMAND === undefined
        ? undefined
        : { command: env.SLUICE_FENCE_COMMAND, timeoutMillis: env.SLUICE_FENCE_TIMEOUT_MILLIS },
    reconcileMillis: env.SLUICE_RECONCILE_MILLIS,
    rebalanceMillis: env.SLUICE_REBALANCE_MILLIS,
    leasesMillis: env.SLUICE_LEASES_MILLIS,
    drift: { ...DEFAULT_DRIFT_POLICY, graceMillis: env.SLUICE_ORPHAN_GRACE_MILLIS },
    timing: {
      attemptMillis: env.SLUICE_ATTEMPT_MILLIS,
      giveUpMillis: env.SLUICE_GIVE_UP_MILLIS,
      undoGiveUpMillis: env.SLUICE_UNDO_GIVE_UP_MILLIS,
    },
    batchSize: env.SLUICE_BATCH_SIZE,
    networkPool: { subnet: env.SLUICE_NETWORK_POOL, perTenant: env.SLUICE_NETWORK_POOL_PER_TENANT },
    entityOperations: env.SLUICE_ENTITY_OPERATIONS,
    workflowBundle: env.SLUICE_WORKFLOW_BUNDLE,
  };
}

export function readEnvironment<T extends z.ZodType>(schema: T, environment: NodeJS.ProcessEnv): z.output<T> {
  const parsed = schema.safeParse(environment);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map((i) => `${i.path.join('.')}: ${i.message}`);
  throw new UnusableEnvironment(`The environment is not usable: ${wrong.join('; ')}`);
}
