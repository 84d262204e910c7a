import type { BlueprintId, HostId, ServiceId, TenantId, VeeId } from '../ids';
import type { NetworkAttachment } from '../network/attachment';
import type { VeeState } from '../vee/state-machine';
import type { DrainHook, VeeTemplate } from '../vee/vee';

/** One VEE that a blueprint placed. */
export interface PlannedVee {
  readonly veeId: VeeId;
  readonly component: string;
  readonly index: number;
  readonly hostId: HostId;
  readonly epoch: number;
}

/**
 * A blueprint in the compact form that travels through a workflow: 250 bytes a VEE at most, and of no more VEEs than
 * an operation works on itself. The reasons stay in the database.
 */
export interface Deployment {
  readonly blueprintId: BlueprintId;
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  /** By component. */
  readonly templates: Readonly<Record<string, VeeTemplate>>;
  /** Components by start level. */
  readonly levels: readonly (readonly string[])[];
  readonly vees: readonly PlannedVee[];
  /** The task queue of each host's agent. */
  readonly queues: Readonly<Record<HostId, string>>;
  /** Of those that are on any, once they are recorded. */
  readonly networks?: Readonly<Record<VeeId, readonly NetworkAttachment[]>>;
}

/** A VEE that exists, as an executor needs it. */
export interface LivingVee extends PlannedVee {
  readonly agentQueue: string;
  readonly stopGraceMillis: number;
  readonly state: VeeState;
  /** Can the driver of its host save it to disk? */
  readonly canSuspend: boolean;
  /** What is run inside it before it ends; only while it runs. */
  readonly drain?: DrainHook;
  /** Its host is lost and fenced: nothing can be asked of it, and nothing need be. */
  readonly hostFenced?: boolean;
}

/** Left out where it is on none, as whatever knows nothing of networks does. */
export const on = (networks: readonly NetworkAttachment[] | undefined) => (networks ? { networks } : {});

export const veeLabel = (vee: Pick<PlannedVee, 'component' | 'index'>) => `${vee.component}/${vee.index}`;
