import type { ServiceId } from '../ids';
import { SLA_CLASSES, type SlaClass } from '../manifest/sla-class';

export interface OrderedService {
  readonly serviceId: ServiceId;
  readonly name: string;
  readonly slaClass: SlaClass;
}

/** In groups, the best class first: the order in which a site comes up. It goes down in the opposite one. */
export function inClassOrder<T extends { readonly slaClass: SlaClass }>(services: readonly T[]): T[][] {
  return SLA_CLASSES.map((c) => services.filter((s) => s.slaClass === c)).filter((group) => group.length > 0);
}
