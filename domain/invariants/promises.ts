import { promisesOf } from '../leases/keep';
import { MAKING_MILLIS } from '../leases/model';
import { overPromised } from '../placement/promised';
import { nameOf, sameCapacity } from '../units';
import { utcText } from '../utc';
import type { SystemState } from './model';

/** What is over, cancelled or given up is taken back by the next look, which comes within a minute unless somebody has paused it. */
const NOTED_MILLIS = 120_000;

/** By what hosts have noted, and by what leases say: neither may promise what the other does not know of. */
export function promisesKept({ hosts, snapshotHosts, leases = [], now }: SystemState) {
  const byId = new Map(leases.map((l) => [l.id, l]));
  const hostsById = new Map(hosts.map((h) => [h.id, h]));
  const violations: string[] = [];
  let checked = 0;
  for (const host of hosts)
    for (const { leaseId, name, amount } of Object.values(host.promises ?? {})) {
      checked++;
      const lease = byId.get(leaseId);
      // One that is being made, or being moved, is not in its record yet.
      if (!lease?.confirmed) {
        if (lease?.live && lease.createdAt + MAKING_MILLIS + NOTED_MILLIS < now)
          violations.push(`${host.id}: what was to be promised to reservation ${name} was never taken back`);
        continue;
      }
      if (Math.min(lease.until, lease.cancelledAt ?? Infinity) + NOTED_MILLIS < now)
        violations.push(`${host.id}: what was promised to reservation ${name} was never taken back`);
      const promised = promisesOf(lease).get(host.id);
      if (lease.live && !lease.risk && promised && !sameCapacity(promised.amount, amount))
        violations.push(`${host.id} has promised reservation ${name} another amount than it says`);
    }
  for (const lease of leases) {
    if (!lease.live || !lease.confirmed || lease.risk || lease.until <= now) continue;
    for (const { hostId } of lease.places)
      if (!hostsById.get(hostId)?.promises?.[lease.id])
        violations.push(`${hostId} knows nothing of reservation ${lease.name}, which counts on it`);
  }
  for (const host of snapshotHosts) {
    const over = overPromised(host, now);
    const atRisk = host.promised?.promises.some((p) => byId.get(p.leaseId)?.risk);
    if (over && !atRisk)
      violations.push(
        `${host.id}: more ${nameOf(over.dimension)} is held and promised than it has, from ${utcText(over.at)} on`,
      );
  }
  return { checked, violations };
}
