import type { VeeContext } from '../context/model';
import type { BlueprintId, HostId, OperationId, ServiceId, TenantId, VeeId } from '../ids';
import type { NetworkAttachment } from '../network/attachment';
import type { Capacity } from '../units';
import type { VeeState, VeeVerb } from './state-machine';

/** How a driver decides that a VEE serves: it merely runs, or a command inside it exits with 0. */
export type Readiness =
  | { readonly kind: 'running' }
  | {
      readonly kind: 'exec';
      readonly command: readonly string[];
      readonly periodMillis: number;
      readonly timeoutMillis: number;
    };

export interface DrainHook {
  readonly command: readonly string[];
  readonly timeoutMillis: number;
}

/** Everything a driver needs to make a VEE; the same for each member of an elastic array. */
export interface VeeTemplate {
  readonly image: string;
  readonly command: readonly string[];
  /** May hold references (`domain/context`), which are resolved when the VEE is made. */
  readonly environment: Readonly<Record<string, string>>;
  /** Absent where there is none, also from sites that are older than this. */
  readonly context?: VeeContext;
  readonly capacity: Capacity;
  /** Names of those that it takes while it holds a place; absent where it takes none. */
  readonly licences?: readonly string[];
  readonly readiness: Readiness;
  /** How long a VEE may take to end by itself before it is killed. */
  readonly stopGraceMillis: number;
  /** Run inside before it is ended for good; its failure does not keep it. */
  readonly drain?: DrainHook;
  /** As the manifest declares them; absent where it is on none. */
  readonly networks?: readonly TemplateNetwork[];
  /** What may come in; absent: anything from its networks. */
  readonly ports?: readonly TemplatePort[];
}

/** A network of the service, or of the site where that is named. */
export interface TemplateNetwork {
  readonly name: string;
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly site?: string;
}

export interface TemplatePort {
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  /** Absent of icmp. */
  readonly port?: number;
  readonly toPort?: number;
  /** Components, or `any`; absent: all of its networks. */
  readonly from?: readonly string[];
  /** Which of those components are on which of its networks, by number: `app/0,2`. Absent where earlier releases wrote it. */
  readonly sources?: readonly string[];
}

export interface VeeTransition {
  readonly verb: VeeVerb;
  readonly operationId: OperationId;
  readonly since: number;
}

/** One VEE as recorded. `generation` counts writes; `epoch` counts activations on a host (fencing). */
export interface VeeRecord {
  readonly id: VeeId;
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly component: string;
  /** Place in the elastic array, from 0; never reused within the array while the VEE lives. */
  readonly index: number;
  readonly state: VeeState;
  readonly hostId: HostId;
  readonly epoch: number;
  readonly generation: number;
  readonly template: VeeTemplate;
  /** With its addresses, which are its own for its whole life; absent where it is on none. */
  readonly networks?: readonly NetworkAttachment[];
  readonly transition: VeeTransition | null;
  readonly blueprintId: BlueprintId;
  readonly createdAt: number;
  readonly updatedAt: number;
}
