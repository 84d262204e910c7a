import type { HostId, ServiceId, TenantId, VeeId } from '../ids';
import type { OnFailure } from '../manifest/policies';
import type { NetworkAttachment } from '../network/attachment';
import type { Capacity } from '../units';
import type { Readiness, VeeTemplate } from '../vee/vee';
import type { LivingVee } from './deployment';
import type { ServiceRecord } from './service';

/** What a re-composition's executor is told: how many waves, and then each wave when its turn comes. */
export interface RecompositionOutline {
  readonly waves: number;
  /** Does any of them move a member? Then there are places to give back at the end. */
  readonly moves: boolean;
  readonly onFailure: OnFailure;
  /** What an earlier re-composition had left half-way, and is so again if this one is undone. */
  readonly former: ServiceRecord['recomposition'];
}

export interface WaveWork {
  readonly resizes: readonly LivingVee[];
  /** By component, of those that stay: what its members are to have, and how they are seen to serve. */
  readonly made: Readonly<Record<string, MemberMaking>>;
  readonly move?: LivingVee;
  /** How many VEEs are new; where they go is planned next. */
  readonly creates: number;
  readonly destroys: readonly LivingVee[];
}

export interface MemberMaking {
  readonly capacity: Capacity;
  readonly readiness: Readiness;
}

/** A VEE as a driver makes it. */
export interface VeeMaking {
  readonly veeId: VeeId;
  readonly epoch: number;
  readonly tenantId: TenantId;
  readonly serviceId: ServiceId;
  readonly component: string;
  readonly index: number;
  readonly template: VeeTemplate;
  readonly networks?: readonly NetworkAttachment[];
}

interface Place {
  readonly hostId: HostId;
  readonly agentQueue: string;
}

export interface VeeStanding {
  /** Its ledger is closed, and its place given back. */
  readonly retired: boolean;
  readonly readiness: Readiness;
  /** Nothing answers on its host any more, and nothing runs there either. */
  readonly hostFenced: boolean;
}

/** A VEE that takes the place of one that was ended and is wanted back. */
export interface RestorationWork {
  readonly place: Place;
  readonly spec: VeeMaking;
}
