import type { HostRecord } from '../host';
import type { Manifest } from '../manifest/schema';
import type { SlaClass } from '../manifest/sla-class';
import type { MoveHost } from '../migration/plan-moves';
import type { Snapshot } from '../placement/model';
import type { Policy } from '../placement/policy';
import type { ServiceRecord } from '../service/service';
import type { VeeRecord } from '../vee/vee';

export interface FailoverService {
  readonly service: Pick<ServiceRecord, 'id' | 'name' | 'tenantId'>;
  readonly slaClass: SlaClass;
  readonly manifest: Manifest;
}

export type FailoverHost = MoveHost & Pick<HostRecord, 'zone'>;

export interface FailoverQuestion {
  readonly hosts: readonly FailoverHost[];
  readonly snapshot: Snapshot;
  readonly services: readonly FailoverService[];
  readonly vees: readonly VeeRecord[];
  readonly policy: Policy;
  /** What has a lower class than this may be left without a place. */
  readonly least: SlaClass;
}

export interface Stranded {
  readonly veeId: VeeRecord['id'];
  readonly serviceId: ServiceRecord['id'];
  readonly service: string;
  readonly component: string;
  readonly index: number;
  readonly slaClass: SlaClass;
  readonly because: string;
}
