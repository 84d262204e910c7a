import type { HostId } from '../ids';
import type { SlaClass } from '../manifest/sla-class';
import type { SnapshotHost } from '../placement/model';
import type { Capacity } from '../units';
import { compensationPerHour } from './hosting';
import { changesOfPlaces, hostingChange } from './hosting-change';
import type { Tariff } from './tariff';

/** What something earns an hour, and what is left of that: in the currency of the site. */
export interface ServiceProfit {
  readonly benefitPerHour: number;
  readonly hostingPerHour: number;
  readonly compensationPerHour: number;
  readonly perHour: number;
}

/** Of VEEs of one service that are to come to these hosts. */
export function serviceProfit(
  hosts: readonly SnapshotHost[],
  vees: readonly { readonly to: HostId; readonly need: Capacity }[],
  slaClass: SlaClass,
  tariff: Tariff,
): ServiceProfit {
  const byId = new Map(hosts.map((h) => [h.id, h]));
  const benefit = vees.length * tariff.benefit[slaClass];
  const hosting = hostingChange(hosts, changesOfPlaces(vees), tariff)?.perHour ?? 0;
  const compensation = vees.reduce(
    (n, { to }) => n + compensationPerHour(byId.get(to) ?? {}, slaClass, tariff),
    0,
  );
  return {
    benefitPerHour: benefit,
    hostingPerHour: hosting,
    compensationPerHour: compensation,
    perHour: benefit - hosting - compensation,
  };
}
