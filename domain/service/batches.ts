import type { OperationId, VeeId } from '../ids';
import type { StateVerb } from '../vee/state-machine';
import type { DrainHook, VeeTemplate } from '../vee/vee';
import { type Deployment, type LivingVee, type PlannedVee, veeLabel } from './deployment';

/** So many VEEs an operation works on itself; what is more it hands out in batches, each to a workflow of its own. */
export const MOST_INLINE = 40;

/** Three activities a VEE and what they cost beside: so many stay below 600 events of history (measured). */
export const USUAL_BATCH = 50;
/** A level that exceeds a batch by less than this part of it is not worth two. */
const TOLERANCE = 0.2;

/** Drain hooks go with the VEEs, so also a few may be too much for a workflow's payload. */
const MOST_BYTES_INLINE = 131_072;

/** Few enough to be told one by one? */
export function tellable(vees: readonly unknown[], batchSize: number): boolean {
  return vees.length <= Math.min(MOST_INLINE, batchSize) && JSON.stringify(vees).length <= MOST_BYTES_INLINE;
}

type Member = Pick<PlannedVee, 'component' | 'index'>;

export interface Batch<T> {
  /** The first and the last of it. */
  readonly label: string;
  /** Worked on one after the other; all of a group side by side. */
  readonly groups: readonly (readonly T[])[];
}

/**
 * Divides levels, which follow each other, into waves of batches: those of a wave may run side by side. A large
 * level is a wave of several batches; small ones that follow each other share one, since each batch costs the
 * operation a dozen events of its history. So a thousand VEEs never make more than fifty, however they depend on
 * each other.
 */
export function layOut<T extends Member>(
  levels: readonly (readonly T[])[],
  batchSize = USUAL_BATCH,
): Batch<T>[][] {
  const most = Math.floor(batchSize * (1 + TOLERANCE));
  const waves: Batch<T>[][] = [];
  let packed: (readonly T[])[] = [];
  const close = () => {
    if (packed.length > 0) waves.push([batchOf(packed)]);
    packed = [];
  };
  for (const level of levels.filter((l) => l.length > 0)) {
    if (packed.flat().length + level.length > most) close();
    if (level.length <= most) packed.push(level);
    else waves.push(split(level, batchSize).map((part) => batchOf([part])));
  }
  close();
  return waves;
}

function split<T>(level: readonly T[], batchSize: number): T[][] {
  const parts = Math.ceil(level.length / batchSize);
  return Array.from({ length: parts }, (_, i) =>
    level.slice(Math.round((i * level.length) / parts), Math.round(((i + 1) * level.length) / parts)),
  );
}

function batchOf<T extends Member>(groups: readonly (readonly T[])[]): Batch<T> {
  const all = groups.flat();
  const [first, last] = [all[0], all.at(-1)].map((v) => (v ? veeLabel(v) : ''));
  return { groups, label: first === last ? `${first}` : `${first} to ${last}` };
}

/** A batch as an operation knows it: what it holds is in the database. */
export interface BatchRef {
  readonly number: number;
  readonly label: string;
  readonly vees: number;
}

/** How much there is to do, by reference: a few kilobytes for the largest service. */
export interface BatchPlan {
  readonly worklistId: string;
  readonly total: number;
  readonly waves: readonly (readonly BatchRef[])[];
}

export function toPlan(worklistId: string, waves: readonly (readonly Batch<unknown>[])[]): BatchPlan {
  let number = 0;
  const refs = waves.map((wave) =>
    wave.map(({ label, groups }): BatchRef => ({ number: number++, label, vees: groups.flat().length })),
  );
  return { worklistId, total: refs.flat().reduce((n, b) => n + b.vees, 0), waves: refs };
}

/** What travels instead of a deployment of more VEEs: the blueprint by its id, and how it is divided. */
export type LargeDeployment = Pick<Deployment, 'blueprintId' | 'tenantId' | 'serviceId'> & {
  readonly plan: BatchPlan;
};

export const isLarge = (d: Deployment | LargeDeployment): d is LargeDeployment => 'plan' in d;

/** What an operation does to the VEEs of a service. */
export type Work = 'deploy' | 'retire' | 'suspend' | 'resume';

/** One VEE of a batch; what else is known of it is read when the batch begins. */
export interface WorkItem {
  readonly veeId: VeeId;
  /** Of the verbs that do the work, the one for this VEE. */
  readonly verb?: StateVerb;
}

/** All that an operation hands out, as divided once: whatever changes meanwhile, each batch stays what it is. */
export interface Worklist {
  readonly id: string;
  readonly operationId: OperationId;
  readonly createdAt: number;
  readonly waves: readonly (readonly Batch<WorkItem>[])[];
}

/** A VEE as a batch works on it. */
export interface BatchVee extends Omit<LivingVee, 'drain'> {
  readonly verb?: StateVerb;
}

/** What there is to do on the VEEs of a service: told one by one, or in batches when they are too many for that. */
export type ListedWork =
  | { readonly kind: 'few'; readonly groups: readonly (readonly LivingVee[])[] }
  | { readonly kind: 'many'; readonly plan: BatchPlan };

/** What a batch begins with. */
export interface BatchContents {
  /** What has ended since the work was divided: an earlier run of the batch gave it up. */
  readonly gone: readonly (Member & Pick<BatchVee, 'veeId'>)[];
  /** By component; only where VEEs are to be made. */
  readonly templates: Readonly<Record<string, VeeTemplate>>;
  /** As those are, of VEEs that are on any. */
  readonly networks?: Deployment['networks'];
  /** By component, as those are: what a VEE that serves is to do before it ends. */
  readonly drains: Readonly<Record<string, DrainHook>>;
  readonly groups: readonly (readonly BatchVee[])[];
}

/** How a VEE is stilled, or brought back; nothing when it is so already. */
export function verbFor(
  work: 'suspend' | 'resume',
  vee: Pick<LivingVee, 'state' | 'canSuspend'>,
): StateVerb | undefined {
  if (work === 'suspend') return vee.state === 'ACTIVE' ? (vee.canSuspend ? 'suspend' : 'pause') : undefined;
  if (vee.state === 'SUSPENDED') return 'restore';
  return vee.state === 'PAUSED' ? 'resume' : undefined;
}
