import type { HostId, OperationId, VeeId } from '../ids';
import { occupiesHost } from '../vee/state-machine';
import type { Narrowing } from './drift';
import type { DriftPolicy, DriftState } from './model';

/** What operations that were given up still hold: their undos were left, so nobody else gives it back. */
export interface Leftovers {
  readonly places: readonly {
    readonly hostId: HostId;
    readonly veeId: VeeId;
    readonly operationId: OperationId;
  }[];
  readonly locks: readonly { readonly veeId: VeeId; readonly operationId: OperationId }[];
  /** VEEs that are no more, or never came to be, and have an address all the same. */
  readonly addresses: readonly VeeId[];
}

/**
 * Places are given back where the host has said since that it has no copy of that VEE, and locks where it has said that
 * the VEE is as it is recorded. Whatever differs is drift, and is for that to mend first.
 */
export function findLeftovers(
  { now, hosts, vees, underWay, addresses: leases = [] }: DriftState,
  { graceMillis }: Pick<DriftPolicy, 'graceMillis'>,
): Leftovers {
  const open = new Set<string>(underWay.map((o) => o.id));
  const busy = new Set(underWay.flatMap((o) => o.serviceId ?? []));
  const records = new Map(vees.map(({ vee }) => [vee.id as string, vee]));
  const heard = hosts.filter((h) => h.liveness === 'up');
  const places = heard.flatMap((host) =>
    Object.entries(host.reservations).flatMap(([id, { operationId, since }]) => {
      const vee = records.get(id);
      if (open.has(operationId) || (vee && busy.has(vee.serviceId))) return [];
      if (vee && occupiesHost(vee.state) && vee.hostId === host.id) return [];
      const told = host.reportedAt > since + graceMillis && !host.reported.some((r) => r.veeId === id);
      return told ? [{ hostId: host.id, veeId: id as VeeId, operationId: operationId as OperationId }] : [];
    }),
  );
  const hostOf = new Map(heard.map((h) => [h.id, h]));
  const locks = vees.flatMap(({ vee: { id: veeId, epoch, state, hostId, serviceId, transition } }) => {
    const host = hostOf.get(hostId);
    if (!transition || !host || open.has(transition.operationId) || busy.has(serviceId)) return [];
    const told =
      host.reportedAt > transition.since + graceMillis &&
      host.reported.some((r) => r.veeId === veeId && r.epoch === epoch && r.state === state);
    return told ? [{ veeId, operationId: transition.operationId }] : [];
  });
  const copies = new Set(hosts.flatMap((h) => h.reported.map((r) => r.veeId)));
  const addresses = leases.flatMap(({ veeId, serviceId, since }) => {
    const vee = records.get(veeId);
    const wanted = (vee && occupiesHost(vee.state)) || busy.has(serviceId) || copies.has(veeId);
    return wanted || since + graceMillis >= now ? [] : [veeId];
  });
  return { places, locks, addresses: [...new Set(addresses)] };
}

/** Not when somebody asked for one kind of drift, one host, or only to be told. */
export const givesBack = ({ kinds, hostId, reportOnly }: Narrowing): boolean =>
  kinds === undefined && hostId === undefined && !reportOnly;

/** Each in a line, for whoever asks what would be done. */
export const describeLeftovers = ({
  places,
  locks,
  addresses,
}: Leftovers): { veeId: VeeId; step: string }[] => [
  ...places.map(({ veeId, hostId, operationId }) => ({
    veeId,
    step: `give back what ${operationId} still holds for ${veeId} on ${hostId}`,
  })),
  ...locks.map(({ veeId, operationId }) => ({
    veeId,
    step: `unlock ${veeId}, which ${operationId} still holds`,
  })),
  ...addresses.map((veeId) => ({ veeId, step: `give back the addresses of ${veeId}, which is no more` })),
];
